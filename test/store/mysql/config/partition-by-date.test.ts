import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MailprocError } from '../../../../src/core/errors.ts';
import {
  PartitionByDate,
  type PartitionByDateProperties,
} from '../../../../src/store/mysql/partition-by-date.ts';
import { expandNames } from '../../../../src/store/mysql/range-names.ts';
import { projectRoot } from '../../../support/project.ts';
import { dates, nameRanges, vectors } from './samples/partition-vectors.ts';

const none: PartitionByDateProperties = {
  dateFormat: 'yyyy-MM-dd',
  sBeginDate: undefined,
  sEndDate: undefined,
  sPartionDay: '1',
  sNaturalDay: undefined,
  timeZone: 'Asia/Shanghai',
};

function rule(properties: Partial<PartitionByDateProperties>): PartitionByDate {
  return new PartitionByDate({ ...none, ...properties }, 'the test');
}

/** null where the date cannot be read. */
function partitionOf(partition: PartitionByDate, date: string): number | null {
  try {
    return partition.calculate(date);
  } catch (error) {
    assert.ok(error instanceof MailprocError && error.code === 'config.partition');
    return null;
  }
}

for (const vector of vectors) {
  const { timeZone, begin, end, day, natural } = vector;
  const name = `${timeZone}, begin ${begin}, end ${end ?? '-'}, ${day} days, natural ${natural ?? '-'}`;
  test(`PartitionByDate answers as MyCat does: ${name}`, () => {
    const partition = rule({
      timeZone,
      sBeginDate: begin,
      sEndDate: end,
      sPartionDay: day,
      sNaturalDay: natural,
    });
    assert.equal(partition.partitions, vector.count);
    const found = dates.map((date) => [date, partitionOf(partition, date)]);
    assert.deepEqual(
      found,
      dates.map((date, index) => [date, vector.partitions[index]]),
    );
    assert.deepEqual(partition.calculateRange('2022-01-26', '2022-02-02'), vector.range);
  });
}

for (const timeZone of ['Asia/Shanghai', 'America/New_York']) {
  test(`PartitionByDate reads dates with a time of day in ${timeZone}`, () => {
    const partition = rule({
      timeZone,
      dateFormat: 'yyyy-MM-dd HH:mm:ss',
      sBeginDate: '2022-01-27 00:00:00',
    });
    const cases: readonly (readonly [string, number | null])[] = [
      ['2022-01-26 00:00:00', -1],
      ['2022-01-26 00:00:01', 0],
      ['2022-01-26 23:59:59', 0],
      ['2022-01-27 00:00:00', 0],
      ['2022-01-27 23:59:59', 0],
      ['2022-01-28 00:00:00', 1],
      ['2022-01-27', null],
    ];
    for (const [date, expected] of cases) assert.equal(partitionOf(partition, date), expected, date);
  });
}

/** Lines `# tz=… begin=…` with lines `date=>index; …`, `range … [..]`, `hms …` and `split …` below them. */
const vectorFile = join(projectRoot, '..', 'shared', 'spec', 'partitionbydate-vectors.txt');

test('PartitionByDate and expandNames answer all lines of the vectors beside the project', {
  skip: !existsSync(vectorFile),
}, () => {
  let partition = rule({ sBeginDate: '2022-01-27' });
  let timeZone = '';
  let checked = 0;
  for (const line of readFileSync(vectorFile, 'utf8').trimEnd().split('\n')) {
    const header = /^# tz=(\S+) begin=(\S+) end=(\S+) day=(\S+) natural=(\S+)$/.exec(line);
    const given = (index: number): string | undefined =>
      header?.[index] === 'null' ? undefined : header?.[index];
    if (header !== null) {
      timeZone = given(1) ?? '';
      partition = rule({
        timeZone,
        sBeginDate: given(2),
        sEndDate: given(3),
        sPartionDay: given(4),
        sNaturalDay: given(5),
      });
    } else if (line.startsWith('partitionNum=')) {
      assert.equal(`partitionNum=${partition.partitions}`, line);
    } else if (line.startsWith('range ')) {
      const range = partition.calculateRange('2022-01-26', '2022-02-02');
      assert.equal(`range 01-26..02-02 [${range.join(', ')}]`, line);
    } else if (line.startsWith('hms ')) {
      const times = rule({ timeZone, dateFormat: 'yyyy-MM-dd HH:mm:ss', sBeginDate: '2022-01-27 00:00:00' });
      const date = line.slice(4, line.indexOf('=>'));
      assert.equal(`hms ${date}=>${partitionOf(times, date) ?? 'IllegalArgumentException'}`, line);
    } else if (line.startsWith('split ')) {
      const text = line.slice(6, line.indexOf(' => '));
      assert.equal(`split ${text} => [${expandNames(text, 'the test').join(', ')}]`, line);
    } else if (line.startsWith('no sPartionDay')) {
      assert.throws(
        () => rule({ sBeginDate: '2022-01-27', sPartionDay: undefined }),
        /sPartionDay is missing/,
      );
    } else {
      for (const pair of line.split('; ').filter((each) => each.includes('=>'))) {
        const date = pair.slice(0, pair.indexOf('=>'));
        assert.equal(`${date}=>${partitionOf(partition, date) ?? 'IllegalArgumentException'}`, pair);
        checked++;
      }
    }
  }
  assert.ok(checked >= vectors.length * (dates.length - 1), `${checked} dates`);
});

test('PartitionByDate refuses a rule that has no answer', () => {
  const cases: readonly (readonly [Partial<PartitionByDateProperties>, RegExp])[] = [
    [{ sBeginDate: '2022-01-27', sPartionDay: undefined }, /the test: sPartionDay is missing/],
    [{ sBeginDate: '2022-01-27', sPartionDay: '' }, /sPartionDay is missing/],
    [{ sBeginDate: '2022-01-27', sPartionDay: '0' }, /sPartionDay "0" is no number of days/],
    [{ sBeginDate: '2022-01-27', sPartionDay: '1.5' }, /is no number of days/],
    [{ sBeginDate: '2022-01-27', sPartionDay: '-1' }, /is no number of days/],
    [{}, /sBeginDate is missing/],
    [{ sBeginDate: '' }, /sBeginDate is missing/],
    [{ sBeginDate: '27.1.2022' }, /sBeginDate "27.1.2022" does not have the form/],
    [{ sBeginDate: '2022-01-27', sEndDate: 'never' }, /sEndDate "never" does not have the form/],
    [{ sBeginDate: '2022-01-27', dateFormat: undefined }, /dateFormat is missing/],
    [{ sBeginDate: '2022-01-27', dateFormat: 'dd MMM yyyy' }, /"MMM" in the date format "dd MMM yyyy"/],
    [{ sBeginDate: '2022-01-27', dateFormat: 'yy-MM-dd' }, /"yy" in the date format/],
    [{ sBeginDate: '2022-01-27', dateFormat: 'YYYY-MM-dd' }, /"YYYY" in the date format/],
    [{ sBeginDate: '2022-01-27', dateFormat: "yyyy'T" }, /a quote is not closed/],
    [{ sBeginDate: '2022-01-27', dateFormat: '---' }, /is no date format/],
    [{ sBeginDate: '2022-01-27', timeZone: 'Asia/Peking2' }, /there is no such zone/],
    // Natural days switch themselves off below 28 partitions, and then the length is needed.
    [
      { sBeginDate: '2022-01-05', sEndDate: '2022-01-20', sNaturalDay: '1', sPartionDay: undefined },
      /sPartionDay/,
    ],
  ];
  for (const [properties, expected] of cases) {
    assert.throws(() => rule(properties), expected, JSON.stringify(properties));
  }
});

test('PartitionByDate with natural days needs neither begin nor length', () => {
  const partition = rule({ sNaturalDay: '1', sPartionDay: undefined });
  assert.deepEqual([partition.calculate('2022-01-01'), partition.calculate('2022-02-28')], [0, 27]);
  assert.equal(partition.partitions, -1);
  assert.equal(partition.slips, false);
});

test('PartitionByDate switches natural days off below 28 partitions and not at 28', () => {
  const natural = (end: string): PartitionByDate =>
    rule({ sBeginDate: '2022-01-01', sEndDate: end, sNaturalDay: '1', sPartionDay: '1' });
  assert.equal(natural('2022-01-28').calculate('2022-02-03'), 2);
  assert.equal(natural('2022-01-27').calculate('2022-02-03'), 33 % 27);
});

test('PartitionByDate ignores an end where the begin is not after 1970', () => {
  const partition = rule({ sBeginDate: '1970-01-01', sEndDate: '1970-01-03' });
  assert.equal(partition.partitions, -1);
  assert.equal(partition.calculate('1970-01-11'), 10);
});

test('PartitionByDate knows the zones whose clocks change', () => {
  assert.equal(rule({ sBeginDate: '2022-01-27' }).slips, false);
  assert.equal(rule({ sBeginDate: '2022-01-27', timeZone: 'America/New_York' }).slips, true);
  assert.equal(rule({ sBeginDate: '2022-01-27', timeZone: 'Australia/Sydney' }).slips, true);
});

test('PartitionByDate reads other formats as SimpleDateFormat does', () => {
  const cases: readonly (readonly [format: string, begin: string, date: string, partition: number | null])[] =
    [
      ['yyyyMMdd', '20220127', '20220129', 2],
      ['yyyyMMdd', '20220127', '2022012', -25],
      ['yyyyMMdd', '20220127', '20221', null],
      ['dd.MM.yyyy', '27.01.2022', '1.2.2022', 5],
      ['yyyy-MM-dd', '2022-01-27', ' 2022-01-28', 1],
      ['yyyy-MM-dd', '2022-01-27', '2022- 01- 28', 1],
      ['yyyy-MM-dd', '2022-01-27', '2022 -01-28', null],
      ["yyyy-MM-dd'T'HH", '2022-01-27T00', '2022-01-27T49', 2],
      ["yyyy''MM''dd", "2022'01'27", "2022'01'29", 2],
      ['yyyy-MM-dd', '2022-01-27', '2022-00-28', -30],
      ['yyyy-MM-dd', '2022-01-27', '2022-01--4', -27 - 4],
      ['yyyy-MM-dd', '2022-01-27', `2022-01-${'9'.repeat(40)}`, null],
      ['yyyy-MM-dd', '2022-01-27', '999999999-01-01', null],
    ];
  for (const [dateFormat, sBeginDate, date, expected] of cases) {
    assert.equal(partitionOf(rule({ dateFormat, sBeginDate }), date), expected, `${dateFormat} ${date}`);
  }
});

test('PartitionByDate takes hours that a clock change skips or repeats as Java does', () => {
  // Clocks of New York go from 2:00 to 3:00 on 13 March, and from 2:00 back to 1:00 on 6 November 2022.
  const hours = (date: string): number => {
    const begin = '2022-03-13 00:00';
    const partition = rule({
      timeZone: 'America/New_York',
      dateFormat: 'yyyy-MM-dd HH:mm',
      sBeginDate: begin,
    });
    // The first minute of the second partition is 24 hours after the begin.
    return partition.calculate(date);
  };
  assert.deepEqual([hours('2022-03-14 00:59'), hours('2022-03-14 01:00')], [0, 1]);
  const skipped = rule({
    timeZone: 'America/New_York',
    dateFormat: 'yyyy-MM-dd HH:mm',
    sBeginDate: '2022-03-13 02:30',
  });
  // 2:30 does not exist and is 3:30.
  assert.deepEqual([skipped.calculate('2022-03-14 03:29'), skipped.calculate('2022-03-14 03:30')], [0, 1]);
  const repeated = rule({
    timeZone: 'America/New_York',
    dateFormat: 'yyyy-MM-dd HH:mm',
    sBeginDate: '2022-11-06 01:30',
  });
  // Of the two 1:30 the second is meant.
  assert.deepEqual([repeated.calculate('2022-11-07 01:29'), repeated.calculate('2022-11-07 01:30')], [0, 1]);
});

test('PartitionByDate gives each day its own partition in a zone without clock changes, whatever the day', () => {
  const partition = rule({ sBeginDate: '2014-01-01' });
  const begin = Date.UTC(2014, 0, 1);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000 }), (days) => {
      const day = new Date(begin + days * 86_400_000).toISOString().slice(0, 10);
      assert.equal(partition.calculate(day), days);
    }),
    { numRuns: 200 },
  );
});

test('PartitionByDate answers or refuses with a MailprocError, whatever the text', () => {
  const partition = rule({ sBeginDate: '2022-01-27', sEndDate: '2022-01-29' });
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-0-9 ]{0,14}$/)), (text) => {
      const found = partitionOf(partition, text);
      assert.ok(found === null || Number.isInteger(found));
    }),
    { numRuns: 500 },
  );
});

test('PartitionByDate refuses a range of more than a hundred years', () => {
  assert.throws(
    () => rule({ sBeginDate: '2022-01-27' }).calculateRange('1700-01-01', '2022-01-01'),
    /too many days/,
  );
  assert.deepEqual(rule({ sBeginDate: '2022-01-27' }).calculateRange('2022-01-28', '2022-01-27'), []);
  assert.deepEqual(rule({ sBeginDate: '2022-01-27' }).calculateRange('today', '2022-01-27'), []);
});

test('expandNames answers as MyCat does', () => {
  for (const [text, names] of nameRanges) assert.deepEqual(expandNames(text, 'the test'), names, text);
});

test('expandNames takes odd lists as MyCat does and refuses what is no range', () => {
  const cases: readonly (readonly [text: string, names: readonly string[]])[] = [
    ['', []],
    [',,', []],
    [' dn1 ,, dn2', ['dn1', 'dn2']],
    ['dn $ 1 - 2 ', ['dn1', 'dn2']],
    ['dn$2-2', ['dn2']],
    ['dn$1-5-3', ['dn1', 'dn2', 'dn3']],
    ['dn$1$7', ['dn1']],
    ['dn$-2', ['dn2']],
    ['dn$1-', ['dn1']],
  ];
  for (const [text, names] of cases) assert.deepEqual(expandNames(text, 'the test'), names, text);
  for (const text of ['dn$', '$1-3', 'dn$a-b', 'dn$1-', 'dn$0x1-3', '$', 'dn$1-99999999999'].filter(
    (each) => each !== 'dn$1-',
  )) {
    assert.throws(() => expandNames(text, 'the test'), /the test: ".*" is no range/, text);
  }
});

test('expandNames accepts 65,536 names and refuses one more', () => {
  assert.equal(expandNames('dn$1-65535,last', 'the test').length, 65_536);
  assert.throws(() => expandNames('dn$1-65536,last', 'the test'), /more than 65536 names/);
  assert.throws(() => expandNames('dn$0-999999999', 'the test'), /more than 65536 names/);
});
