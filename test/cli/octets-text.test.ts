import assert from 'node:assert/strict';
import { test } from 'node:test';
import { octetsText } from '../../src/cli/octets-text.ts';
import { emptyAccount } from '../../src/pipeline/octet-counts.ts';

test('octetsText names every kind of octets that there is, and why some were skipped', () => {
  const { octets, skippedOctets } = emptyAccount();
  Object.assign(octets, { mail: 1200, protocol: 34, encrypted: 5, headers: 60, file: 1, skipped: 300 });
  Object.assign(skippedOctets, { 'damaged-file': 100, 'incomplete-fragments': 200 });
  assert.equal(
    octetsText(1600, { octets, skippedOctets }),
    "1,600: 1,200 of mails, 34 of their protocols, 5 encrypted, 60 of packet headers, 1 of the files' format, " +
      '300 skipped (100 in damage of the file, 200 in fragments of which others are missing)',
  );
});
