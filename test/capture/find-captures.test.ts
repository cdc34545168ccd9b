import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { findCaptures } from '../../src/capture/find-captures.ts';
import { dateInPath } from '../../src/capture/path-date.ts';
import { MailprocError } from '../../src/core/errors.ts';
import { PcapngWriter, pcapFile, someBytes } from '../support/capture-bytes.ts';
import { temporaryFolder } from '../support/recorded-capture.ts';
import { sharedNames, sharedPath } from '../support/shared-captures.ts';

const write = new PcapngWriter({ littleEndian: true });
/** 2022-01-28 09:30:00 in Shanghai, where the day begins at 16:00 UTC. */
const morning = 1_643_333_400;
const day = '2022-01-28';

/** A capture whose packets are seen at `begins`, and each second up to `begins + seconds`. */
function capture(
  begins: number,
  options: { readonly seconds?: number; readonly name?: string } = {},
): Buffer {
  const interfaceName = { code: 2, value: Buffer.from(options.name ?? 'eth0') };
  const times = Array.from({ length: (options.seconds ?? 5) + 1 }, (_, index) => begins + index);
  const packets = times.map((seconds) => write.enhanced(BigInt(seconds) * 1_000_000n, someBytes(60)));
  return Buffer.concat([write.section(), write.interface(1, 0, [interfaceName]), ...packets]);
}

function pcapCapture(begins: number): Buffer {
  return pcapFile({ littleEndian: true }, 0xa1b2c3d4, [
    { seconds: begins, fraction: 0, data: someBytes(60) },
  ]);
}

/** Writes `files`, finds those of the day, and tells series and ignored files by their path below the folder. */
async function find(folder: string, files: Readonly<Record<string, Buffer>>) {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  const { series, ignored } = await findCaptures(folder, day, 'Asia/Shanghai');
  return {
    series: series.map(({ files }) => files.map((file) => path.relative(folder, file.path))),
    ignored: Object.fromEntries(ignored.map((file) => [path.relative(folder, file.path), file.reason])),
  };
}

describe('dateInPath', () => {
  for (const [relativePath, date] of [
    ['20220128.pcap', day],
    ['20220128/a.pcap', day],
    ['cap_00001_20220128123456.pcapng', day],
    ['cap_202201281234.pcapng', day],
    ['trace-2022-01-28.pcap', day],
    ['trace_2022_01_28_12.pcap', day],
    ['2022/01/28/a.pcap', day],
    ['archive/2022/01/28.pcap', day],
    ['20220127/cap_00001_20220128000001.pcapng', day],
    ['2022-01-27/20220128.pcap', day],
    ['20240229.pcap', '2024-02-29'],
    ['20220229.pcap', undefined],
    ['20220431.pcap', undefined],
    ['20221301.pcap', undefined],
    ['20220100.pcap', undefined],
    ['2022-01_28.pcap', undefined],
    ['120220128.pcap', undefined],
    ['202201281.pcap', undefined],
    ['2022012825.pcap', undefined],
    ['20220128126000.pcap', undefined],
    ['202201281234567.pcap', undefined],
    ['2022-01-281.pcap', undefined],
    ['12022/01/28/a.pcap', undefined],
    ['00000128.pcap', undefined],
    ['29990128.pcap', undefined],
    ['a.pcap', undefined],
    ['', undefined],
  ] as const) {
    test(`dateInPath reads ${JSON.stringify(relativePath)} as ${date}`, () => {
      assert.equal(dateInPath(relativePath), date);
    });
  }
});

describe('findCaptures', () => {
  test('findCaptures takes a capture for the date in its path, else for its first packet', async (t) => {
    const yesterday = morning - 86_400;
    const found = await find(temporaryFolder(t), {
      'dated/20220128/old-packets.pcapng': capture(yesterday),
      'dated/20220127/new-packets.pcapng': capture(morning),
      'undated/today.pcap': pcapCapture(morning),
      'undated/first-second.pcap': pcapCapture(Date.UTC(2022, 0, 27, 16) / 1000),
      'undated/last-second.pcap': pcapCapture(Date.UTC(2022, 0, 28, 16) / 1000 - 1),
      'undated/yesterday.pcap': pcapCapture(Date.UTC(2022, 0, 27, 16) / 1000 - 1),
      'undated/tomorrow.pcap': pcapCapture(Date.UTC(2022, 0, 28, 16) / 1000),
      'undated/no-extension': gzipSync(capture(morning)),
      'undated/text.pcap': Buffer.from('no capture at all'),
      'undated/empty.pcap': Buffer.alloc(0),
      'undated/no-packets.pcapng': write.section(),
      'undated/cut.pcapng': write.section().subarray(0, 20),
      '20220128/cut.pcapng': write.section().subarray(0, 20),
    });
    assert.deepEqual(found, {
      series: [
        ['20220128/cut.pcapng'],
        ['dated/20220128/old-packets.pcapng'],
        ['undated/first-second.pcap'],
        ['undated/last-second.pcap'],
        ['undated/no-extension'],
        ['undated/today.pcap'],
      ],
      ignored: {
        'dated/20220127/new-packets.pcapng': 'other-day',
        'undated/cut.pcapng': 'no-packets',
        'undated/empty.pcap': 'empty',
        'undated/no-packets.pcapng': 'no-packets',
        'undated/text.pcap': 'not-a-capture',
        'undated/tomorrow.pcap': 'other-day',
        'undated/yesterday.pcap': 'other-day',
      },
    });
  });

  const at = (seconds: number, name?: string) =>
    capture(morning + seconds, name === undefined ? {} : { name });
  /** As long as `tcpdump -C 1` makes them. */
  const long = (seconds: number): Buffer => {
    const filler = write.enhanced(BigInt(morning + seconds + 5) * 1_000_000n, someBytes(200_000));
    return Buffer.concat([at(seconds), filler, filler, filler, filler, filler]);
  };
  const tables: readonly (readonly [
    string,
    Readonly<Record<string, Buffer>>,
    readonly (readonly string[])[],
  ])[] = [
    [
      "joins dumpcap's files by time, also beyond 99999",
      {
        'a_100000_20220128093030.pcapng': at(30),
        'a_99999_20220128093020.pcapng.gz': gzipSync(at(20)),
        'a_99998_20220128093010.pcapng': at(10),
      },
      [
        [
          'a_99998_20220128093010.pcapng',
          'a_99999_20220128093020.pcapng.gz',
          'a_100000_20220128093030.pcapng',
        ],
      ],
    ],
    [
      "goes on where dumpcap's numbers begin again behind 99999",
      {
        'a_00000_20220128093020.pcapng': at(20),
        'a_99998_20220128093000.pcapng': at(0),
        'a_99999_20220128093010.pcapng': at(10),
        'a_00001_20220128093030.pcapng': at(30),
      },
      [
        [
          'a_99998_20220128093000.pcapng',
          'a_99999_20220128093010.pcapng',
          'a_00000_20220128093020.pcapng',
          'a_00001_20220128093030.pcapng',
        ],
      ],
    ],
    [
      'takes a compressed file for the one it was made of',
      {
        'a_00001_20220128093000.pcapng.gz': gzipSync(at(0)),
        'a_00001_20220128093000.pcapng': at(0),
        'a_00002_20220128093010.pcapng.gz': gzipSync(at(10)),
      },
      [['a_00001_20220128093000.pcapng', 'a_00002_20220128093010.pcapng.gz']],
    ],
    [
      'orders by number where the times are equal, and keeps a file without packets in its place',
      {
        'a_00003_20220128093000.pcapng': capture(morning, { seconds: 0 }),
        'a_00001_20220128093000.pcapng': capture(morning, { seconds: 0 }),
        'a_00002_20220128093000.pcapng': capture(morning, { seconds: -1 }),
      },
      [['a_00001_20220128093000.pcapng', 'a_00002_20220128093000.pcapng', 'a_00003_20220128093000.pcapng']],
    ],
    [
      'joins over a missing number',
      { 'a_00001_20220128093000.pcapng': at(0), 'a_00004_20220128093030.pcapng': at(30) },
      [['a_00001_20220128093000.pcapng', 'a_00004_20220128093030.pcapng']],
    ],
    [
      'begins another series where the numbers begin again',
      {
        'a_00001_20220128093000.pcapng': at(0),
        'a_00002_20220128093010.pcapng': at(10),
        'a_00001_20220128093020.pcapng': at(20),
        'a_00002_20220128093030.pcapng': at(30),
      },
      [
        ['a_00001_20220128093000.pcapng', 'a_00002_20220128093010.pcapng'],
        ['a_00001_20220128093020.pcapng', 'a_00002_20220128093030.pcapng'],
      ],
    ],
    [
      'keeps interfaces, prefixes and folders apart',
      {
        'a_00001_20220128093000.pcapng': at(0, 'eth0'),
        'a_00002_20220128093010.pcapng': at(10, 'eth1'),
        'b_00002_20220128093010.pcapng': at(10, 'eth0'),
        'c/a_00002_20220128093010.pcapng': at(10, 'eth0'),
      },
      [
        ['a_00001_20220128093000.pcapng'],
        ['a_00002_20220128093010.pcapng'],
        ['b_00002_20220128093010.pcapng'],
        ['c/a_00002_20220128093010.pcapng'],
      ],
    ],
    [
      'keeps files apart that were written at the same time',
      { 'a_00001_20220128093000.pcapng': at(0), 'a_00003_20220128093001.pcapng': at(1) },
      [['a_00001_20220128093000.pcapng'], ['a_00003_20220128093001.pcapng']],
    ],
    [
      'joins files of which numbers and times grow together, though their packets change places',
      { 'a_00001_20220128093000.pcapng': at(1), 'a_00002_20220128093001.pcapng': at(0) },
      [['a_00001_20220128093000.pcapng', 'a_00002_20220128093001.pcapng']],
    ],
    [
      'joins a file that was renamed by adding to its name',
      {
        'cap_00001_20220128093000.pcapng': at(0),
        'cap_00002_20220128093010.pcapng': at(10),
        'cap_cut_00003_20220128093020.pcapng': at(20),
      },
      [
        [
          'cap_00001_20220128093000.pcapng',
          'cap_00002_20220128093010.pcapng',
          'cap_cut_00003_20220128093020.pcapng',
        ],
      ],
    ],
    [
      "joins tcpdump's numbered files in the order of time, as a ring leaves them",
      { 'x.pcap': at(40), 'x.pcap1': at(10), 'x.pcap2': at(20), 'x.pcap10': at(30) },
      [['x.pcap1', 'x.pcap2', 'x.pcap10', 'x.pcap']],
    ],
    [
      "joins tcpdump's dated files",
      {
        'x-20220128093020.pcap': at(20),
        'x-20220128093000.pcap': at(0),
        'y_2022-01-28_09:30:00.pcap': at(0),
        'y_2022-01-28_09:30:10.pcap': at(10),
      },
      [
        ['x-20220128093000.pcap', 'x-20220128093020.pcap'],
        ['y_2022-01-28_09:30:00.pcap', 'y_2022-01-28_09:30:10.pcap'],
      ],
    ],
    [
      "joins tcpdump's files without extension where all but the newest are of one size",
      {
        '20220128/cap': long(0),
        '20220128/cap1': long(10),
        '20220128/cap2': long(20),
        '20220128/cap3': at(30),
      },
      [['20220128/cap', '20220128/cap1', '20220128/cap2', '20220128/cap3']],
    ],
    [
      'leaves files of many sizes alone that differ in a number',
      { '20220128/eth0': long(0), '20220128/eth1': at(10), '20220128/eth2': long(20) },
      [['20220128/eth0'], ['20220128/eth1'], ['20220128/eth2']],
    ],
    [
      'leaves unrelated files alone',
      { 'eth0.pcap': at(0), 'eth1.pcap': at(10), 'mail-20220128.pcap': at(20), 'web-20220128.pcap': at(30) },
      [['eth0.pcap'], ['eth1.pcap'], ['mail-20220128.pcap'], ['web-20220128.pcap']],
    ],
  ];
  for (const [name, files, series] of tables) {
    test(`groupIntoSeries ${name}`, async (t) => {
      assert.deepEqual((await find(temporaryFolder(t), files)).series, series);
    });
  }

  test('groupIntoSeries joins files of which each was closed as the next one began', async (t) => {
    const folder = temporaryFolder(t);
    const files = { 'mail-09.pcap': at(0), 'mail-10.pcap': at(600), 'mail-11.pcap': at(1200) };
    await find(folder, files);
    for (const [index, name] of Object.keys(files).entries()) {
      utimesSync(path.join(folder, name), morning + 600 * (index + 1) + 1, morning + 600 * (index + 1) + 1);
    }
    const { series } = await findCaptures(folder, day, 'Asia/Shanghai');
    assert.deepEqual(
      series.map((each) => each.files.map((file) => path.basename(file.path))),
      [Object.keys(files)],
    );
  });

  for (const prefix of ['ring_rotate_', 'v_rotate_cap_']) {
    const names = sharedNames('lab').filter((name) => name.startsWith(prefix));
    test(`groupIntoSeries joins the files of ${prefix}`, { skip: names.length === 0 }, async (t) => {
      const folder = temporaryFolder(t);
      for (const name of names) copyFileSync(sharedPath(`lab/${name}`), path.join(folder, name));
      const date = dateInPath(names[0] ?? '') ?? '';
      const { series } = await findCaptures(folder, date, 'Asia/Shanghai');
      assert.deepEqual(
        series.map(({ files }) => files.map((file) => path.basename(file.path))),
        [names],
      );
    });
  }

  test('findCaptures follows links once, in circles too, and reads no pipe', async (t) => {
    const folder = temporaryFolder(t);
    const outside = temporaryFolder(t);
    writeFileSync(path.join(outside, 'linked.pcapng'), capture(morning));
    mkdirSync(path.join(folder, 'sub'));
    symlinkSync('..', path.join(folder, 'sub', 'circle'));
    symlinkSync(outside, path.join(folder, 'another'));
    symlinkSync('nowhere', path.join(folder, 'broken'));
    symlinkSync('own.pcapng', path.join(folder, 'a-link.pcapng'));
    const found = await find(folder, { 'own.pcapng': capture(morning) });
    assert.deepEqual(found, {
      series: [['another/linked.pcapng'], ['own.pcapng']],
      ignored: { 'a-link.pcapng': 'duplicate', broken: 'unreadable', 'sub/circle': 'duplicate' },
    });
    linkSync(path.join(folder, 'own.pcapng'), path.join(folder, 'second-name.pcapng'));
    assert.equal((await find(folder, {})).ignored['second-name.pcapng'], 'duplicate');
  });

  test('findCaptures goes on behind a folder that it may not read', {
    skip: process.getuid?.() === 0,
  }, async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(path.join(folder, 'closed'));
    chmodSync(path.join(folder, 'closed'), 0);
    const found = await find(folder, { 'open.pcapng': capture(morning) });
    assert.deepEqual(found, { series: [['open.pcapng']], ignored: { closed: 'unreadable' } });
  });

  test('findCaptures takes a file that is named itself, whatever it is', async (t) => {
    const file = path.join(temporaryFolder(t), '20210101.pcap');
    writeFileSync(file, 'text');
    const { series, ignored } = await findCaptures(file, day, 'UTC');
    assert.deepEqual([series.map(({ files }) => files.map((found) => found.path)), ignored], [[[file]], []]);
    assert.equal(series[0]?.files[0]?.bytes, 4);
  });

  test('findCaptures takes the standard input and a named pipe without opening them', async (t) => {
    const pipe = path.join(temporaryFolder(t), 'pipe');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    for (const root of ['-', pipe]) {
      const { series } = await findCaptures(root, day, 'UTC');
      const files = series.flatMap((each) => each.files.map((file) => [file.path, file.day, file.isStream]));
      assert.deepEqual(files, [[root, day, true]]);
    }
  });

  test('findCaptures throws a MailprocError with a hint where there is no such folder', async (t) => {
    const missing = path.join(temporaryFolder(t), 'missing');
    await assert.rejects(findCaptures(missing, day, 'UTC'), (error) => {
      assert.ok(
        error instanceof MailprocError && error.message.includes(missing) && error.hint !== undefined,
      );
      return true;
    });
  });

  test('findCaptures keeps the folder as it was given', async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(path.join(folder, 'a.pcapng'), capture(morning));
    for (const [root, expected] of [
      [folder, `${folder}/a.pcapng`],
      [`${folder}/`, `${folder}/a.pcapng`],
      [`${folder}/../${path.basename(folder)}`, `${folder}/../${path.basename(folder)}/a.pcapng`],
    ] as const) {
      const { series } = await findCaptures(root, day, 'Asia/Shanghai');
      assert.equal(series[0]?.files[0]?.path, expected);
    }
  });
});
