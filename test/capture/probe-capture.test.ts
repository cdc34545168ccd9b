import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { probeCapture } from '../../src/capture/probe-capture.ts';
import { PcapngWriter, someBytes } from '../support/capture-bytes.ts';
import { temporaryFolder } from '../support/recorded-capture.ts';

const write = new PcapngWriter({ littleEndian: true });

test('probeCapture tells many interfaces apart, and remembers little of them', async (t) => {
  const folder = temporaryFolder(t);
  const probe = async (name: string, last: string) => {
    const named = (text: string) => write.interface(1, 0, [{ code: 2, value: Buffer.from(text) }]);
    const interfaces = Array.from({ length: 5000 }, () => named('x'.repeat(250)));
    const packet = write.enhanced(1n, someBytes(60));
    const file = path.join(folder, name);
    writeFileSync(file, Buffer.concat([write.section(), ...interfaces, named(last), packet]));
    return probeCapture(file, statSync(file));
  };
  const one = await probe('a.pcapng', 'eth0');
  assert.deepEqual(await probe('b.pcapng', 'eth0'), one);
  const other = await probe('c.pcapng', 'eth1');
  assert.notEqual(other.origin, one.origin);
  assert.deepEqual([one.isCapture, one.firstPacketNs, one.seenUntilNs], [true, 1000n, 1000n]);
  assert.equal(one.origin.length, 64);
});
