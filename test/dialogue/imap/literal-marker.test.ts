import assert from 'node:assert/strict';
import { test } from 'node:test';
import { literalMarker } from '../../../src/dialogue/imap/literal-marker.ts';

const table: [string, ReturnType<typeof literalMarker>][] = [
  ['* 1 FETCH (BODY[] {12}', { length: 12, synchronising: true }],
  ['a1 APPEND Sent {12+}', { length: 12, synchronising: false }],
  ['a1 APPEND Sent ~{12}', { length: 12, synchronising: true }],
  ['a1 APPEND Sent ~{12+}', { length: 12, synchronising: false }],
  ['a1 APPEND Sent UTF8 (~{7+}', { length: 7, synchronising: false }],
  ['* 1 FETCH (BODY[] {0}', { length: 0, synchronising: true }],
  ['* 1 FETCH (BODY[] {007}', { length: 7, synchronising: true }],
  ['{5}', { length: 5, synchronising: true }],
  ['x {999999999999999}', { length: 999_999_999_999_999, synchronising: true }],
  ['x {9999999999999999}', undefined],
  ['', undefined],
  ['}', undefined],
  ['{}', undefined],
  ['{+}', undefined],
  ['{-1}', undefined],
  ['{1 2}', undefined],
  ['{12}x', undefined],
  ['* LIST () "/" "what {5}', undefined],
  ['* LIST () "/" "what" {5}', { length: 5, synchronising: true }],
  ['* LIST () "/" "a \\" b" {5}', { length: 5, synchronising: true }],
  ['* LIST () "/" "a \\\\" {5}', { length: 5, synchronising: true }],
  ['* LIST () "/" "a \\" {5}', undefined],
];

for (const [line, marker] of table) {
  test(`literalMarker of ${JSON.stringify(line)} is ${JSON.stringify(marker) ?? 'nothing'}`, () => {
    assert.deepEqual(literalMarker(Buffer.from(line)), marker);
  });
}
