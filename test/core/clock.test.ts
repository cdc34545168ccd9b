import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ZoneClock } from '../../src/core/clock.ts';
import { MailprocError } from '../../src/core/errors.ts';

const second = 1_000_000_000n;

describe('ZoneClock', () => {
  for (const [zone, instant, expected] of [
    ['Asia/Shanghai', '2022-01-27T16:00:00Z', '2022-01-28 00:00:00'],
    ['Asia/Shanghai', '2022-01-27T15:59:59Z', '2022-01-27 23:59:59'],
    ['UTC', '2024-02-29T12:34:56Z', '2024-02-29 12:34:56'],
    ['Europe/Berlin', '2022-03-27T00:59:59Z', '2022-03-27 01:59:59'],
    ['Europe/Berlin', '2022-03-27T01:00:00Z', '2022-03-27 03:00:00'],
    ['Europe/Berlin', '2022-10-30T01:00:00Z', '2022-10-30 02:00:00'],
    ['Australia/Lord_Howe', '2022-07-01T00:00:00Z', '2022-07-01 10:30:00'],
    ['Asia/Kathmandu', '2022-07-01T00:00:00Z', '2022-07-01 05:45:00'],
    ['America/St_Johns', '2008-11-02T02:30:59Z', '2008-11-02 00:00:59'],
    ['Asia/Shanghai', '1969-12-31T15:59:59Z', '1969-12-31 23:59:59'],
  ] as const) {
    test(`ZoneClock.dateTime shows ${instant} in ${zone} as ${expected}`, () => {
      const clock = new ZoneClock(zone);
      const timestampNs = BigInt(Date.parse(instant) / 1000) * second;
      // The last nanosecond of the second is still that second.
      for (const ns of [timestampNs, timestampNs + second - 1n]) {
        assert.equal(clock.dateTime(ns), expected);
        assert.equal(clock.day(ns), expected.slice(0, 10));
      }
    });
  }

  test('ZoneClock agrees with Intl.DateTimeFormat over decades in many zones', () => {
    for (const timeZone of ['Asia/Shanghai', 'America/New_York', 'Pacific/Apia', 'Africa/Casablanca']) {
      const clock = new ZoneClock(timeZone);
      const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
      for (let seconds = 0; seconds < 2_000_000_000; seconds += 3_456_789) {
        assert.equal(clock.dateTime(BigInt(seconds) * second), format.format(seconds * 1000));
      }
    }
  });

  test('ZoneClock shows times it cannot tell as the nearest that they can', () => {
    const clock = new ZoneClock('UTC');
    assert.equal(clock.dateTime(2n ** 64n * second), '9999-12-30 00:00:00');
    assert.equal(clock.dateTime(-(2n ** 63n) * second), '1600-01-02 00:00:00');
  });

  test('ZoneClock throws a MailprocError that names an example where there is no such zone', () => {
    for (const zone of ['Asia/Peking', '', 'Mars/Olympus']) {
      assert.throws(
        () => new ZoneClock(zone),
        (error) => error instanceof MailprocError && /Asia\/Shanghai/.test(error.hint ?? ''),
      );
    }
  });
});
