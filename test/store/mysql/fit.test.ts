import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ColumnLimit, Cuts, fit } from '../../../src/store/mysql/fit.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { day, incompleteRecord, sampleRecord } from '../samples.ts';
import { allRows, dataHost, settings } from './clusters.ts';

function text(
  charactersMax: number,
  characterSet: string | undefined,
  changes: Partial<ColumnLimit> = {},
): ColumnLimit {
  return {
    name: 'mail_subject',
    kind: 'text',
    charactersMax,
    octetsMax: charactersMax * 4,
    characterSet,
    least: 0n,
    greatest: 0n,
    isNullable: true,
    ...changes,
  };
}

const integer = (least: bigint, greatest: bigint) => text(0, undefined, { kind: 'integer', least, greatest });

for (const [what, value, column, expected] of [
  ['a text as wide as the column', 'abc', text(3, 'utf8mb4'), 'abc'],
  ['a text one wider', 'abcd', text(3, 'utf8mb4'), 'abc'],
  ['characters of two UTF-16 units by their number', '😀😀😀', text(3, 'utf8mb4'), '😀😀😀'],
  ['a cut behind a surrogate pair', '😀😀😀', text(2, 'utf8mb4'), '😀😀'],
  ['a cut where a pair begins', 'ab😀', text(2, 'utf8mb4'), 'ab'],
  ['four octets in utf8mb3', 'a😀𠮷z', text(9, 'utf8mb3'), 'a\uFFFD\uFFFDz'],
  ['three octets in utf8mb3', '邮件', text(9, 'utf8mb3'), '邮件'],
  ['Chinese in latin1', 'Grüße €5 邮件😀', text(50, 'latin1'), 'Grüße €5 ???'],
  ['accents in ascii', 'Grüße', text(50, 'ascii'), 'Gr??e'],
  ['gbk, which the server converts', '邮件😀', text(50, 'gbk'), '邮件😀'],
  ['octets of a TEXT, cut at a character', '邮件邮件', text(99, 'utf8mb4', { octetsMax: 8 }), '邮件'],
  ['octets of a TEXT, cut at a pair', 'a😀😀', text(99, 'utf8mb4', { octetsMax: 8 }), 'a😀'],
  ['octets of a latin1 TEXT', 'üüüü', text(99, 'latin1', { octetsMax: 3 }), 'üüü'],
  ['nothing in a column of no width', 'a', text(0, 'utf8mb4'), ''],
  ['null', null, text(3, 'utf8mb4'), null],
  ['null where the column takes none', null, text(3, 'utf8mb4', { isNullable: false }), ''],
  ['no number where the column takes no null', null, { ...integer(0n, 9n), isNullable: false }, 0],
  ['the greatest number', 127, integer(-128n, 127n), 127],
  ['one above it', 128, integer(-128n, 127n), 127n],
  ['one below the least', -1, integer(0n, 255n), 0n],
  [
    'a time before TIMESTAMP begins',
    '1969-12-31 23:59:59',
    text(0, undefined, { kind: 'timestamp' }),
    '1970-01-02 00:00:00',
  ],
  [
    'a time after it ends',
    '2107-01-01 00:00:00',
    text(0, undefined, { kind: 'timestamp' }),
    '2038-01-18 00:00:00',
  ],
] as const satisfies readonly (readonly [string, string | number | null, ColumnLimit, unknown])[]) {
  test(`fit fits ${what}`, () => assert.equal(fit(value, column), expected));
}

test('fit never splits a pair and never exceeds characters or octets', () => {
  const column = fc.record({
    characters: fc.nat(20),
    octets: fc.nat(40),
    set: fc.constantFrom('utf8mb4', 'utf8mb3', 'latin1', 'gbk', undefined),
  });
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 60 }),
      column,
      (value, { characters, octets, set }) => {
        const fitted = String(fit(value, text(characters, set, { octetsMax: octets })));
        assert.doesNotMatch(fitted, /\p{Surrogate}/u);
        assert.ok([...fitted].length <= characters);
        if (set === 'utf8mb4') assert.ok(Buffer.byteLength(fitted) <= octets && value.startsWith(fitted));
      },
    ),
  );
});

test('Cuts tells of each column once and counts all', () => {
  const told: string[] = [];
  const cuts = new Cuts((code, detail) => told.push(`${code} ${detail}`));
  const column = text(50, 'latin1');
  for (let count = 0; count < 3; count++) cuts.count('imap_2022_01_28', column);
  assert.deepEqual([...cuts.counts], [['imap_2022_01_28.mail_subject', 3]]);
  assert.deepEqual(told, [
    'record.value-cut imap_2022_01_28.mail_subject (50 characters, latin1) does not hold every value: cut or replaced',
  ]);
});

const options = { skip: whyNoMariadb() ?? false };
const subject = '你好, Grüße 😀';

test('MysqlSink fits values to the tables that exist, whatever they are', options, async (context) => {
  const server = await mariadbServer(context);
  const connection = await server.connect();
  const columns = `id int(32) NOT NULL, insert_time date, \`timestamp\` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    sport smallint unsigned, dport smallint, source_ip char(15), target_ip char(15), len int, ttl tinyint, host_name varchar(50),
    mail_from varchar(10) NOT NULL, mail_to varchar(50), x_mail varchar(50) NOT NULL, mail_subject varchar(12), mail_priority int,
    message_id varchar(50), mail_content tinytext, file_path varchar(5), image_sign int, parse_sign int, added_by_others int NOT NULL, PRIMARY KEY (id)`;
  const expected: Readonly<Record<string, string>> = {
    utf8mb4: '你好, Grüße 😀',
    utf8mb3: '你好, Grüße \uFFFD',
    latin1: '??, Grüße ?',
    gbk: '你好, Gr��e ?',
  };
  for (const set of Object.keys(expected)) {
    await connection.query(`CREATE DATABASE ${set}smtp_database; USE ${set}smtp_database;
      CREATE TABLE smtp_2022_01_28 (${columns}) DEFAULT CHARSET=${set}`);
    const told: string[] = [];
    const sink = new MysqlSink(settings([dataHost('h', [server])], { prefix: set }), {
      report: (code, detail) => told.push(`${code} ${detail}`),
    });
    await sink.open();
    const record = sampleRecord(1, {
      columns: {
        mail_subject: subject,
        mail_content: '邮'.repeat(100),
        ttl: 255,
        dport: 65_535,
        mail_from: null,
      },
    });
    assert.deepEqual(await sink.write([incompleteRecord(1, 3), record]), { added: 1, replaced: 1, known: 0 });
    assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 1, replaced: 0, known: 0 });
    assert.deepEqual(await sink.ledger.count(day), [
      { capture: record.columns.file_path, table: 'smtp_2022_01_28', rows: 2 },
    ]);
    assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
    await sink.close();
    const [row] = await allRows(server, set);
    if (set !== 'gbk') assert.equal(row?.mail_subject, expected[set]);
    assert.equal(
      row?.mail_content,
      set === 'latin1' ? '?'.repeat(100) : '邮'.repeat(set === 'gbk' ? 63 : 85),
    );
    assert.deepEqual([row?.mail_from, row?.ttl, row?.dport, row?.file_path], ['', 127, 32_767, 'captu']);
    assert.equal(row?.timestamp, record.columns.timestamp);
    assert.equal(told.filter((line) => line.includes('.file_path')).length, 1, told.join('\n'));
    assert.equal(sink.cuts.get('smtp_2022_01_28.file_path'), 2);
  }
  connection.destroy();
});

test('MysqlSink refuses a table it cannot fill, and one whose id is too narrow', options, async (context) => {
  const server = await mariadbServer(context);
  const connection = await server.connect();
  await connection.query(
    `CREATE DATABASE smtp_database; USE smtp_database; CREATE TABLE smtp_2022_01_28 (id int)`,
  );
  const sink = new MysqlSink(settings([dataHost('h', [server])]));
  await sink.open();
  await assert.rejects(sink.write([sampleRecord(1)]), { name: 'MailprocError', code: 'store.foreign' });
  await sink.write([
    sampleRecord(1, { columns: { insert_time: '2022-01-29', timestamp: '2022-01-29 01:00:00' } }),
  ]);
  await connection.query(`DROP TABLE smtp_2022_01_28; CREATE TABLE smtp_2022_01_28 LIKE smtp_2022_01_29;
    ALTER TABLE smtp_2022_01_28 MODIFY id mediumint NOT NULL`);
  await assert.rejects(sink.write([sampleRecord(2)]), { name: 'MailprocError', code: 'store.id-too-narrow' });
  await sink.close();
  connection.destroy();
});

test(
  'MysqlSink refuses a day before its first row where a table is too narrow for a time sequence',
  options,
  async (context) => {
    const server = await mariadbServer(context);
    const sequence = { kind: 'time', datacenter: 1, worker: 1 } as const;
    const narrow = new MysqlSink(settings([dataHost('h', [server])]));
    await narrow.open();
    await narrow.write([sampleRecord(1, { protocol: 'imap' })]);
    await narrow.close();
    const sink = new MysqlSink(settings([dataHost('h', [server])], { sequence }));
    await sink.open();
    for (const mails of [[sampleRecord(2), sampleRecord(3, { protocol: 'imap' })], [sampleRecord(4)]]) {
      await assert.rejects(sink.write(mails), {
        code: 'store.id-too-narrow',
        message: /write table imap_2022_01_28/,
      });
    }
    await sink.close();
    assert.equal((await allRows(server)).length, 1);
    const documented = new MysqlSink(
      settings([dataHost('h', [server])], { sequence, schema: 'documented', prefix: 'd_' }),
    );
    await documented.open();
    await assert.rejects(documented.write([sampleRecord(5)]), { code: 'store.id-too-narrow' });
    assert.deepEqual(await documented.tables(day), []);
    await documented.close();
  },
);

test('MysqlSink makes tables that show the documented columns and nothing else', options, async (context) => {
  const server = await mariadbServer(context);
  for (const schema of ['wide', 'documented'] as const) {
    const sink = new MysqlSink(settings([dataHost('h', [server])], { schema, prefix: schema }));
    await sink.open();
    await sink.write([sampleRecord(1), sampleRecord(2, { columns: { insert_time: '2022-01-09' } })]);
    await sink.close();
    const connection = await server.connect({ database: `${schema}smtp_database` });
    const [rows, fields] = await connection.query('SELECT * FROM smtp_2022_01 ORDER BY id');
    assert.equal(fields.length, 20);
    assert.deepEqual(
      (rows as { id: number }[]).map(({ id }) => id),
      [1, 2],
    );
    const [[shown]] = (await connection.query('SHOW CREATE TABLE smtp_2022_01_28')) as unknown as [
      [Record<string, string>],
    ];
    if (schema === 'documented') assert.equal(shown['Create Table'], documentedTable);
    connection.destroy();
  }
});

const documentedTable = `CREATE TABLE \`smtp_2022_01_28\` (
  \`id\` int(32) NOT NULL,
  \`insert_time\` date DEFAULT NULL,
  \`timestamp\` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  \`sport\` int(11) DEFAULT NULL,
  \`dport\` int(11) DEFAULT NULL,
  \`source_ip\` char(30) DEFAULT NULL,
  \`target_ip\` char(30) DEFAULT NULL,
  \`len\` int(11) DEFAULT NULL,
  \`ttl\` int(11) DEFAULT NULL,
  \`host_name\` varchar(50) DEFAULT NULL,
  \`mail_from\` varchar(50) DEFAULT NULL,
  \`mail_to\` varchar(50) DEFAULT NULL,
  \`x_mail\` varchar(50) DEFAULT NULL,
  \`mail_subject\` varchar(1000) DEFAULT NULL,
  \`mail_priority\` int(11) DEFAULT NULL,
  \`message_id\` varchar(50) DEFAULT NULL,
  \`mail_content\` varchar(10000) DEFAULT NULL,
  \`file_path\` varchar(200) DEFAULT NULL,
  \`image_sign\` int(11) DEFAULT NULL,
  \`parse_sign\` int(11) DEFAULT NULL,
  PRIMARY KEY (\`id\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`;
