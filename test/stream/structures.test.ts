import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FirstInFirstOut } from '../../src/stream/first-in-first-out.ts';
import { flowHash, workerOf } from '../../src/stream/flow-hash.ts';
import { HeldOctets } from '../../src/stream/held-octets.ts';
import { IgnoredFlows } from '../../src/stream/ignored-flows.ts';
import { PacketClock } from '../../src/stream/packet-clock.ts';
import { type RecencyLinks, RecencyList } from '../../src/stream/recency-list.ts';
import { segment } from './screenplay.ts';

const seen = { capture: 0, frame: 1, timestampNs: 0n, ipLength: 0, ttl: 0 };

test('FirstInFirstOut behaves as an array does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1500, max: 2000 }), { maxLength: 12 }), (steps) => {
      const queue = new FirstInFirstOut<number>();
      const model: number[] = [];
      for (const step of steps) {
        for (let count = 0; count < step; count += 1) {
          model.push(count);
          queue.push(count);
        }
        for (let count = step; count < 0; count += 1) assert.equal(queue.shift(), model.shift());
        assert.equal(queue.length, model.length);
        assert.equal(queue.first, model[0]);
      }
    }),
  );
});

test('RecencyList keeps the order of last use', () => {
  interface Member extends RecencyLinks<Member> {
    readonly name: number;
  }
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('use', 'remove'), fc.nat(6))), (steps) => {
      const members = Array.from(
        { length: 7 },
        (_, name): Member => ({ name, older: undefined, newer: undefined }),
      );
      const list = new RecencyList<Member>();
      let model: number[] = [];
      for (const [what, name] of steps) {
        const member = members[name];
        assert.ok(member);
        const isIn = model.includes(name);
        model = model.filter((other) => other !== name);
        if (what === 'use') model.push(name);
        if (what === 'use') isIn ? list.touch(member) : list.add(member);
        else if (isIn) list.remove(member);
        assert.equal(list.size, model.length);
        assert.deepEqual(namesOf(list.oldest), model);
      }
    }),
  );

  function namesOf(oldest: Member | undefined): number[] {
    const names: number[] = [];
    for (let member = oldest; member !== undefined; member = member.newer) names.push(member.name);
    return names;
  }
});

test('HeldOctets keeps of every position the octet that came first', () => {
  const piece = fc.tuple(
    fc.nat(60),
    fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcdef') }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const held = new HeldOctets();
      const model = new Map<number, string>();
      for (const [position, text] of pieces) {
        held.insert(position, Buffer.from(text), seen, 0);
        for (const [index, letter] of [...text].entries()) {
          if (!model.has(position + index)) model.set(position + index, letter);
        }
        assert.equal(held.octets, model.size);
      }
      let end = -1;
      for (let first = held.shift(); first !== undefined; first = held.shift()) {
        assert.ok(first.position >= end, 'sorted and without overlap');
        for (const [index, octet] of first.bytes.entries()) {
          assert.equal(String.fromCharCode(octet), model.get(first.position + index));
          model.delete(first.position + index);
        }
        end = first.position + first.bytes.length;
      }
      assert.equal(model.size, 0);
      assert.equal(held.octets, 0);
    }),
  );
});

describe('PacketClock', () => {
  test('reads the earliest of each window', () => {
    const clock = new PacketClock(3);
    assert.deepEqual(
      [50, 900, 40].map((seconds) => clock.see(seconds)),
      [false, false, true],
    );
    assert.equal(clock.seconds, 40);
    for (const seconds of [20, 21, 22]) clock.see(seconds);
    assert.equal(clock.seconds, 20);
  });

  test('starts with the first time stamp', () => {
    const clock = new PacketClock(3);
    clock.see(7);
    assert.equal(clock.seconds, 7);
  });
});

describe('flowHash', () => {
  const request = segment({ from: 'client', clientPort: 4000 }, 1);
  const reply = segment({ from: 'server', clientPort: 4000 }, 2);

  test('is the same in both directions, with every seed', () => {
    for (const seed of [0, 1, -1, 0x7fff_ffff]) assert.equal(flowHash(request, seed), flowHash(reply, seed));
  });

  test('differs by port, by address and by seed', () => {
    const { sourceAddress, targetAddress } = request;
    const others = [
      segment({ from: 'client', clientPort: 4001 }, 1),
      { ...request, sourceAddress: targetAddress, targetAddress: sourceAddress },
      { ...request, targetAddress: Buffer.from([192, 0, 2, 26]) },
    ];
    for (const other of others) assert.notEqual(flowHash(other, 5), flowHash(request, 5));
    assert.notEqual(flowHash(request, 5), flowHash(request, 6));
  });

  test('shares connections out evenly: workerOf', () => {
    const counts = [0, 0, 0];
    for (let port = 1024; port < 4024; port += 1) {
      const worker = workerOf(segment({ from: 'client', clientPort: port }, 1), 3);
      counts[worker] = (counts[worker] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(count > 850 && count < 1150, `${count} of 3000`);
  });
});

test('IgnoredFlows knows what was added until another takes the slot', () => {
  const ignored = new IgnoredFlows(4, 1);
  const one = segment({ from: 'client', clientPort: 4000 }, 1);
  const other = segment({ from: 'client', clientPort: 4001 }, 1);
  ignored.add(ignored.fingerprint(one), 7);
  assert.equal(ignored.has(one, 7), true);
  assert.equal(ignored.has(segment({ from: 'server', clientPort: 4000 }, 1), 7), true);
  assert.equal(ignored.has(other, 7), false);
  ignored.add(ignored.fingerprint(other), 3);
  assert.equal(ignored.has(one, 7), false, '3 and 7 share a slot of 4');
  ignored.delete(3);
  assert.equal(ignored.has(other, 3), false);
});
