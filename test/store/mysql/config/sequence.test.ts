import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { MailprocError } from '../../../../src/core/errors.ts';
import { clusterLimits } from '../../../../src/core/limits.ts';
import { readActiveHosts, rememberActiveHost } from '../../../../src/store/mysql/active-host.ts';
import { parseProperties, replaceProperties } from '../../../../src/store/mysql/properties-file.ts';
import { DatabaseSequence } from '../../../../src/store/mysql/sequence/database.ts';
import { FileSequence } from '../../../../src/store/mysql/sequence/file.ts';
import { openSequence } from '../../../../src/store/mysql/sequence/open-sequence.ts';
import { type Clock, TimeSequence } from '../../../../src/store/mysql/sequence/time.ts';
import {
  type IdRange,
  type IdSource,
  idsOf,
  type SequenceConnection,
} from '../../../../src/store/mysql/sequence/types.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const hasCode =
  (code: string, message = /./) =>
  (error: unknown) =>
    error instanceof MailprocError && error.code === code && message.test(error.message);

function pairs(ranges: readonly IdRange[]): readonly (readonly [number, number])[] {
  return ranges.map(({ first, last }) => [Number(first), Number(last)]);
}

/** All ids of several callers at once, in the order of their calls. */
async function takeAtOnce(source: IdSource, counts: readonly number[]): Promise<readonly bigint[]> {
  const answers = await Promise.all(counts.map((count) => source.take(count)));
  for (const [index, ranges] of answers.entries()) assert.equal(idsOf(ranges).length, counts[index]);
  return answers.flatMap((ranges) => idsOf(ranges).map(BigInt));
}

function assertIncreasing(ids: readonly bigint[]): void {
  for (const [index, id] of ids.entries()) {
    const before = ids[index - 1];
    if (before !== undefined) assert.ok(id > before, `${id} after ${before}`);
  }
}

const counts = fc.array(fc.integer({ min: 1, max: 350 }), { minLength: 1, maxLength: 12 });

test('idsOf gives numbers where they are exact and bigints beyond', () => {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  assert.deepEqual(
    idsOf([
      { first: 1n, last: 2n },
      { first: last, last: last + 1n },
    ]),
    [1, 2, Number.MAX_SAFE_INTEGER, last + 1n],
  );
});

/** A clock that moves when somebody sleeps, and when it is told. */
class TestClock implements Clock {
  time = 1_643_270_400_000;
  slept = 0;

  now(): number {
    return this.time;
  }

  async sleep(milliseconds: number): Promise<void> {
    this.slept += milliseconds;
    this.time += milliseconds;
  }
}

test('TimeSequence makes ids of milliseconds, datacenter, worker and a count', async () => {
  const clock = new TestClock();
  const sequence = new TimeSequence({ datacenter: 3, worker: 17 }, clock);
  const base = ((BigInt(clock.time) - 1_288_834_974_657n) << 22n) + (3n << 17n) + (17n << 12n);
  assert.deepEqual(await sequence.take(3), [{ first: base, last: base + 2n }]);
  assert.deepEqual(await sequence.take(1), [{ first: base + 3n, last: base + 3n }]);
  assert.equal(sequence.idBits, 63);
});

test('TimeSequence gives 4096 ids a millisecond and then waits for the next one', async () => {
  const clock = new TestClock();
  const sequence = new TimeSequence({ datacenter: 0, worker: 0 }, clock);
  assert.equal((await sequence.take(4096)).length, 1);
  assert.equal(clock.slept, 0);
  const ranges = await sequence.take(4097);
  assert.deepEqual(
    ranges.map(({ first, last }) => last - first + 1n),
    [4096n, 1n],
  );
  assert.equal(clock.slept, 2);
});

test('TimeSequence waits for a clock set back by five seconds and refuses one set back by more', async () => {
  const clock = new TestClock();
  const sequence = new TimeSequence({ datacenter: 0, worker: 0 }, clock);
  const [before] = await sequence.take(1);
  clock.time -= 5000;
  const [after] = await sequence.take(1);
  assert.equal(clock.slept, 5000);
  assert.ok(before !== undefined && after !== undefined && after.first > before.last);
  clock.time -= 5001;
  await assert.rejects(sequence.take(1), hasCode('store.clock', /went back by 5001 ms/));
  // The queue goes on behind the error.
  clock.time += 6000;
  assert.equal((await sequence.take(1)).length, 1);
});

test('TimeSequence refuses numbers that do not fit their bits', () => {
  for (const place of [
    { datacenter: 32, worker: 0 },
    { datacenter: 0, worker: -1 },
    { datacenter: 0.5, worker: 0 },
  ]) {
    assert.throws(() => new TimeSequence(place), /does not fit 5 bits/);
  }
});

test('TimeSequence gives increasing ids to callers at once, whatever the clock does', async () => {
  const step = fc.integer({ min: -4000, max: 50 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(counts, step), { maxLength: 5 }), async (rounds) => {
      const clock = new TestClock();
      const sequence = new TimeSequence({ datacenter: 31, worker: 31 }, clock);
      const ids: bigint[] = [];
      for (const [some, move] of rounds) {
        ids.push(...(await takeAtOnce(sequence, some)));
        clock.time += move;
      }
      assertIncreasing(ids);
    }),
    { numRuns: 60 },
  );
});

const counterFile = `#default global sequence
GLOBAL.HISIDS=
GLOBAL.MINID=1
GLOBAL.MAXID=100
GLOBAL.CURID=0

! another one\r
ORDER.HISIDS = 1-1000
ORDER.CURID : 1500
`;

test('FileSequence takes ids behind CURID and leaves the rest of the file alone', async (context) => {
  const path = join(temporaryFolder(context), 'sequence_conf.properties');
  writeFileSync(path, counterFile, { mode: 0o640 });
  const sequence = new FileSequence({ path, name: 'GLOBAL' });
  assert.deepEqual(pairs(await sequence.take(40)), [[1, 40]]);
  assert.equal(readFileSync(path, 'utf8'), counterFile.replace('GLOBAL.CURID=0', 'GLOBAL.CURID=40'));
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(pairs(await sequence.take(60)), [[41, 100]]);
  assert.match(readFileSync(path, 'utf8'), /GLOBAL.MAXID=100\nGLOBAL.CURID=100\n/);
  assert.deepEqual(pairs(await sequence.take(1)), [[101, 101]]);
  assert.match(
    readFileSync(path, 'utf8'),
    /HISIDS=1-100\nGLOBAL.MINID=101\nGLOBAL.MAXID=200\nGLOBAL.CURID=101\n/,
  );
  assert.deepEqual(pairs(await sequence.take(300)), [[102, 401]]);
  assert.match(
    readFileSync(path, 'utf8'),
    /HISIDS=1-400\nGLOBAL.MINID=401\nGLOBAL.MAXID=500\nGLOBAL.CURID=401\n/,
  );
  assert.deepEqual(readdirSync(join(path, '..')), ['sequence_conf.properties']);
});

test('FileSequence keeps the history of periods that do not follow one another', async (context) => {
  const path = join(temporaryFolder(context), 'x.properties');
  writeFileSync(path, 'A.HISIDS=1-10,50-60\nA.MINID=101\nA.MAXID=110\nA.CURID=110\n');
  await new FileSequence({ path, name: 'A' }).take(1);
  assert.equal(
    readFileSync(path, 'utf8'),
    'A.HISIDS=1-10,50-60,101-110\nA.MINID=111\nA.MAXID=120\nA.CURID=111\n',
  );
});

test('FileSequence refuses a file that it cannot count in and leaves it as it is', async (context) => {
  const folder = temporaryFolder(context);
  const cases: readonly (readonly [text: string, code: string, message: RegExp])[] = [
    ['', 'config.sequence', /A\.MINID is missing/],
    ['A.MINID=1\nA.MAXID=2\n', 'config.sequence', /A\.CURID is missing/],
    ['A.MINID=1\nA.MAXID=x\nA.CURID=0\n', 'config.sequence', /A\.MAXID is "x", no number/],
    ['A.MINID=5\nA.MAXID=4\nA.CURID=4\n', 'config.sequence', /A\.MAXID is below/],
    ['A.MINID=1\nA.MAXID=4\nA.CURID=5\n', 'config.sequence', /A\.CURID is above/],
    ['A.MINID=1\nA.MAXID=9999999999\nA.CURID=2147483647\n', 'store.ids-exhausted', /31 bits are used up/],
  ];
  for (const [text, code, message] of cases) {
    const path = join(folder, 'sequence.properties');
    writeFileSync(path, text);
    await assert.rejects(new FileSequence({ path, name: 'A' }).take(1), hasCode(code, message));
    assert.equal(readFileSync(path, 'utf8'), text);
  }
  await assert.rejects(
    new FileSequence({ path: join(folder, 'none', 'x'), name: 'A' }).take(1),
    MailprocError,
  );
  const last = join(folder, 'last.properties');
  writeFileSync(last, 'A.MINID=1\nA.MAXID=9999999999\nA.CURID=2147483646\n');
  assert.deepEqual(pairs(await new FileSequence({ path: last, name: 'A' }).take(1)), [
    [2_147_483_647, 2_147_483_647],
  ]);
});

test('FileSequence writes through a symbolic link', async (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, 'real'), 'A.MINID=1\nA.MAXID=9\nA.CURID=0\n');
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  await new FileSequence({ path: join(folder, 'link'), name: 'A' }).take(2);
  assert.match(readFileSync(join(folder, 'real'), 'utf8'), /CURID=2/);
});

test('FileSequence gives increasing ids to callers at once and unique ones to several sources', async (context) => {
  const folder = temporaryFolder(context);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(counts, counts, fc.integer({ min: 1, max: 500 }), async (some, others, length) => {
      const path = join(folder, `${run++}.properties`);
      writeFileSync(path, `A.HISIDS=\nA.MINID=1\nA.MAXID=${length}\nA.CURID=0\n`);
      const sources = [new FileSequence({ path, name: 'A' }), new FileSequence({ path, name: 'A' })];
      const [left = [], right = []] = await Promise.all(
        [some, others].map((each, index) => takeAtOnce(sources[index] ?? assert.fail(), each)),
      );
      assertIncreasing(left);
      assertIncreasing(right);
      const total = [...some, ...others].reduce((sum, count) => sum + count, 0);
      assert.deepEqual(
        [...left, ...right].sort((a, b) => Number(a - b)).map(Number),
        Array.from({ length: total }, (_, index) => index + 1),
      );
    }),
    { numRuns: 5 },
  );
});

const taker = fileURLToPath(new URL('./sequence-taker.js', import.meta.url));

/** Lines `first last` of ids that the process was given. */
function startTaker(
  path: string,
  takes: number,
): { readonly child: ChildProcess; readonly ids: Promise<number[]> } {
  const child = fork(taker, [path, String(takes)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ids = new Promise<number[]>((resolve) => {
    child.on('close', () => resolve(text.split('\n').slice(0, -1).map(Number)));
  });
  return { child, ids };
}

test('FileSequence gives each of several processes its own ids, and one that is killed leaves a whole file', async (context) => {
  const path = join(temporaryFolder(context), 'sequence.properties');
  writeFileSync(path, '# kept\nA.HISIDS=\nA.MINID=1\nA.MAXID=50\nA.CURID=0\n');
  const processes = [startTaker(path, 40), startTaker(path, 40), startTaker(path, 100_000)];
  processes[2]?.child.stdout?.once('data', () => processes[2]?.child.kill('SIGKILL'));
  const ids = (await Promise.all(processes.map((each) => each.ids))).flat();
  assert.ok(ids.length > 80, `${ids.length} ids`);
  assert.equal(new Set(ids).size, ids.length);
  const [next] = await new FileSequence({ path, name: 'A' }).take(1);
  assert.ok(next !== undefined && Number(next.first) > Math.max(...ids));
  assert.match(
    readFileSync(path, 'utf8'),
    /^# kept\nA\.HISIDS=1-\d+\nA\.MINID=\d+\nA\.MAXID=\d+\nA\.CURID=\d+\n$/,
  );
});

/** MYCAT_SEQUENCE as a server keeps it, for the statements of DatabaseSequence alone. */
class SequenceTable implements SequenceConnection {
  row: { value: number; increment: number } | undefined;
  exists = true;
  deadlocks = 0;
  /** Others that make it at the same time, on a cluster of Galera. */
  making = 0;
  /** sql_mode with STRICT_TRANS_TABLES */
  strict = false;
  updates = 0;

  async query(sql: string, parameters: readonly (string | number)[]) {
    await Promise.resolve();
    const answer = (affectedRows: number, insertId: number | bigint = 0) => ({
      rows: [],
      affectedRows,
      insertId,
    });
    if (sql.startsWith('CREATE') && this.making-- > 0)
      throw Object.assign(new Error('deadlock'), { code: 'ER_LOCK_DEADLOCK' });
    if (sql.startsWith('CREATE')) this.exists = true;
    if (!this.exists) throw Object.assign(new Error('no such table'), { code: 'ER_NO_SUCH_TABLE' });
    if (sql.startsWith('INSERT')) this.row ??= { value: -99, increment: 100 };
    if (sql.startsWith('SELECT')) {
      const { value, increment } = this.row ?? {};
      return { ...answer(0), rows: this.row === undefined ? [] : [{ increment, current_value: value }] };
    }
    if (!sql.startsWith('UPDATE')) return answer(1);
    this.updates++;
    if (this.deadlocks-- > 0) throw Object.assign(new Error('deadlock'), { code: 'ER_LOCK_DEADLOCK' });
    const [step, , increment] = parameters;
    if (this.row === undefined || this.row.increment !== increment) return answer(0);
    const value = this.row.value + Number(step);
    if (this.strict && (value < 0 || value > 2_147_483_647)) {
      throw Object.assign(new Error('out of range'), { code: 'ER_WARN_DATA_OUT_OF_RANGE' });
    }
    this.row.value = value;
    return answer(1, this.row.value < 0 ? BigInt.asUintN(64, BigInt(this.row.value)) : this.row.value);
  }
}

function sequenceOn(table: SequenceTable): DatabaseSequence {
  return new DatabaseSequence('GLOBAL', async () => table);
}

test('DatabaseSequence makes the table and the seed row, which gives 1 to 100 first', async () => {
  const table = new SequenceTable();
  table.exists = false;
  const sequence = await openSequence(
    { kind: 'database', dataNode: 'dn1', name: 'GLOBAL' },
    async (dataNode) => {
      assert.equal(dataNode, 'dn1');
      return table;
    },
  );
  assert.deepEqual(table.row, { value: -99, increment: 100 });
  assert.deepEqual(pairs(await sequence.take(100)), [[1, 100]]);
  assert.equal(table.row?.value, 1);
  assert.deepEqual(pairs(await sequence.take(30)), [[101, 130]]);
  assert.deepEqual(pairs(await sequence.take(300)), [[131, 430]]);
  assert.equal(table.updates, 3);
  assert.equal(table.row?.value, 401);
});

test('DatabaseSequence shares its table with others that take segments as MyCat does', async () => {
  const table = new SequenceTable();
  const sequence = sequenceOn(table);
  await sequence.prepare();
  assert.deepEqual(pairs(await sequence.take(150)), [[1, 150]]);
  // MyCat: adds the increment once and hands out new … new + increment - 1.
  const other = await table.query('UPDATE', [100, 'GLOBAL', 100]);
  assert.equal(other.insertId, 201);
  assert.deepEqual(pairs(await sequence.take(100)), [
    [151, 200],
    [301, 350],
  ]);
});

test('DatabaseSequence begins again after a reset and drops what it held from before', async () => {
  const table = new SequenceTable();
  const sequence = sequenceOn(table);
  await sequence.prepare();
  await sequence.take(950);
  table.row = { value: -99, increment: 100 };
  assert.deepEqual(pairs(await sequence.take(60)), [[1, 60]]);
  assert.deepEqual(pairs(await sequence.take(10)), [[61, 70]]);
  table.row = { value: -99, increment: 100 };
  sequence.discard();
  assert.deepEqual(pairs(await sequence.take(10)), [[1, 10]]);
});

test('DatabaseSequence honours an increment that somebody changes', async () => {
  const table = new SequenceTable();
  const sequence = sequenceOn(table);
  await sequence.prepare();
  await sequence.take(100);
  table.row = { value: 1001, increment: 7 };
  assert.deepEqual(pairs(await sequence.take(8)), [[1008, 1015]]);
  assert.equal(table.row.value, 1015);
});

test('DatabaseSequence repeats a deadlock and gives up after many', async () => {
  const table = new SequenceTable();
  const sequence = sequenceOn(table);
  await sequence.prepare();
  table.deadlocks = 3;
  assert.deepEqual(pairs(await sequence.take(1)), [[1, 1]]);
  assert.equal(table.updates, 4);
  sequence.discard();
  table.deadlocks = clusterLimits.sequenceAttemptsMax;
  await assert.rejects(sequence.take(1), { code: 'ER_LOCK_DEADLOCK' });
  assert.deepEqual(pairs(await sequence.take(1)), [[101, 101]]);
});

test('DatabaseSequence is prepared while others make its table', async () => {
  const table = new SequenceTable();
  table.exists = false;
  table.making = 3;
  const sequence = sequenceOn(table);
  await sequence.prepare();
  assert.deepEqual(pairs(await sequence.take(1)), [[1, 1]]);
});

test('DatabaseSequence refuses a row that gives no good ids', async () => {
  const cases: readonly (readonly [SequenceTable['row'], string, RegExp])[] = [
    [undefined, 'store.sequence', /it has no row/],
    [{ value: 0, increment: 0 }, 'store.sequence', /its increment is 0/],
    [{ value: -500, increment: 100 }, 'store.sequence', /its ids are below 1/],
    [{ value: 2_147_483_647 - 198, increment: 100 }, 'store.ids-exhausted', /31 bits are used up/],
    [{ value: 2_147_483_600, increment: 100 }, 'store.ids-exhausted', /31 bits are used up/],
  ];
  for (const [row, code, message] of cases) {
    for (const strict of [false, true]) {
      const table = new SequenceTable();
      table.row = row === undefined ? undefined : { ...row };
      table.strict = strict;
      await assert.rejects(sequenceOn(table).take(1), hasCode(code, message));
    }
  }
  const table = new SequenceTable();
  table.row = { value: 2_147_483_647 - 199, increment: 100 };
  assert.deepEqual(pairs(await sequenceOn(table).take(100)), [[2_147_483_548, 2_147_483_647]]);
});

test('DatabaseSequence gives increasing ids to callers at once and unique ones to several sources', async () => {
  await fc.assert(
    fc.asyncProperty(counts, counts, fc.integer({ min: 1, max: 400 }), async (some, others, increment) => {
      const table = new SequenceTable();
      table.row = { value: 1 - increment, increment };
      const [left, right] = await Promise.all([
        takeAtOnce(sequenceOn(table), some),
        takeAtOnce(sequenceOn(table), others),
      ]);
      assertIncreasing(left);
      assertIncreasing(right);
      assert.equal(new Set([...left, ...right]).size, left.length + right.length);
      assert.ok([...left, ...right].includes(1n));
    }),
    { numRuns: 60 },
  );
});

test('parseProperties reads what java.util.Properties reads', () => {
  const cases: readonly (readonly [text: string, entries: readonly (readonly [string, string])[]])[] = [
    ['', []],
    [
      'a=1\r\nb=2\rc=3',
      [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
      ],
    ],
    ['  # a=1\n\t! b\n\n c = 3 ', [['c', '3 ']]],
    [
      'a : 1\nb 2\nc\nd==x',
      [
        ['a', '1'],
        ['b', '2'],
        ['c', ''],
        ['d', '=x'],
      ],
    ],
    ['a\\ b\\=c=\\u4e2d\\t\\x\\\\', [['a b=c', '中\tx\\']]],
    [
      'a=1,\\\n   2,\\\n\t3\nb=4',
      [
        ['a', '1,2,3'],
        ['b', '4'],
      ],
    ],
    ['# no \\\na=1', [['a', '1']]],
    [
      'a=1\\\\\nb=2',
      [
        ['a', '1\\'],
        ['b', '2'],
      ],
    ],
    ['a=1\na=2', [['a', '2']]],
    ['a=1\\', [['a', '1']]],
  ];
  for (const [text, entries] of cases)
    assert.deepEqual([...parseProperties(text)], entries, JSON.stringify(text));
});

test('replaceProperties changes values and nothing else, whatever the text', () => {
  assert.equal(
    replaceProperties(
      '# x\na = 1\nb=2',
      new Map([
        ['a', '7'],
        ['c', ' 中\\'],
      ]),
    ),
    '# x\na=7\nb=2\nc=\\ \\u4e2d\\\\\n',
  );
  const piece = fc.constantFrom('#', '!', '\\', '=', ':', ' ', '\n', '\r', 'a', 'b', '\\u00', '\t');
  const text = fc
    .array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 30 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.string(), fc.string(), (before, key, value) => {
      const after = parseProperties(replaceProperties(before, new Map([[key, value]])));
      const expected = new Map(parseProperties(before)).set(key, value);
      assert.deepEqual(new Map([...after].sort()), new Map([...expected].sort()));
    }),
    { numRuns: 500 },
  );
});

test('rememberActiveHost keeps the index of each data host over runs', async (context) => {
  const path = join(temporaryFolder(context), 'dnindex.properties');
  assert.deepEqual(await readActiveHosts(path), new Map());
  await rememberActiveHost(path, 'hostA', 1);
  assert.equal(readFileSync(path, 'utf8'), 'hostA=1\n');
  writeFileSync(path, '#update\n#Tue Oct 22 21:31:30 CST 2019\nlocalhost1=0\n');
  await Promise.all([rememberActiveHost(path, 'localhost1', 2), rememberActiveHost(path, 'host b', 1)]);
  assert.deepEqual(
    await readActiveHosts(path),
    new Map([
      ['localhost1', 2],
      ['host b', 1],
    ]),
  );
  assert.match(readFileSync(path, 'utf8'), /^#update\n#Tue Oct 22 21:31:30 CST 2019\nlocalhost1=2\n/);
  writeFileSync(path, 'localhost1=-1\n');
  await assert.rejects(
    readActiveHosts(path),
    hasCode('config.active-host', /"-1" is no index of a write host of localhost1/),
  );
});
