import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { MailprocError } from '../../../../src/core/errors.ts';
import {
  type MycatOptions,
  readMycatDirectory,
} from '../../../../src/store/mysql/config/mycat/read-directory.ts';
import { parseXml } from '../../../../src/store/mysql/config/mycat/xml.ts';
import type { ClusterSettings, MailProtocol } from '../../../../src/store/mysql/types.ts';
import { projectRoot } from '../../../support/project.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const seed = join(projectRoot, 'test', 'store', 'mysql', 'config', 'samples', 'seed');

/** Pairs of what stands in a file of the seed and what is to stand there; null removes the file. */
type Changes = Readonly<
  Record<string, readonly (readonly [before: string, after: string])[] | string | null>
>;

function copyOfSeed(context: TestContext, changes: Changes): string {
  const folder = temporaryFolder(context);
  cpSync(seed, folder, { recursive: true });
  for (const [name, change] of Object.entries(changes)) {
    const path = join(folder, name);
    if (change === null) rmSync(path);
    else if (typeof change === 'string') writeFileSync(path, change);
    else {
      const text = change.reduce(
        (now, [before, after]) => {
          assert.ok(now.includes(before), `${name} has ${before}`);
          return now.replace(before, () => after);
        },
        readFileSync(path, 'utf8'),
      );
      writeFileSync(path, text);
    }
  }
  return folder;
}

function read(context: TestContext, changes: Changes, options?: MycatOptions): Promise<ClusterSettings> {
  return readMycatDirectory(copyOfSeed(context, changes), options);
}

async function refusal(promise: Promise<unknown>): Promise<MailprocError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof MailprocError, String(error));
    return error;
  }
  throw new Error('it was accepted');
}

function place({ shardMap }: ClusterSettings, protocol: MailProtocol, day: string): string {
  const { dataNode, table } = shardMap.shardOf(protocol, day);
  return `${dataNode.name} ${dataNode.dataHost} ${dataNode.database} ${table}`;
}

test('readMycatDirectory reads the documented directory and routes its three days', async () => {
  const settings = await readMycatDirectory(seed);
  for (const day of [27, 28, 29]) {
    assert.equal(
      place(settings, 'imap', `2022-01-${day}`),
      `dn1 localhost1 imap_database imap_2022_01_${day}`,
    );
  }
  const [host] = settings.dataHosts;
  assert.deepEqual(
    { ...host, writeHosts: host?.writeHosts.length },
    {
      name: 'localhost1',
      writeHosts: 2,
      balance: 1,
      switchType: 1,
      slaveThreshold: 100,
      heartbeat: { statement: 'select user()', intervalMs: 1000, missesMax: 3 },
      maxConnections: 1000,
    },
  );
  const [first, second] = host?.writeHosts ?? [];
  assert.deepEqual(first, {
    server: {
      name: 'hostM1',
      host: '10.0.0.1',
      port: 3306,
      socketPath: undefined,
      user: 'mail',
      password: 'one & only',
      tls: undefined,
    },
    readHosts: [
      {
        server: {
          name: 'hostS1',
          host: '10.0.0.2',
          port: 3306,
          socketPath: undefined,
          user: 'mail',
          password: 'two',
          tls: undefined,
        },
        weight: 3,
      },
    ],
  });
  assert.equal(second?.server.port, 3307);
  assert.equal(second?.readHosts[0]?.weight, 0);
  assert.deepEqual(settings.sequence, { kind: 'database', dataNode: 'dn1', name: 'GLOBAL' });
  assert.equal(settings.schema, 'wide');
  assert.equal(settings.activeHostFile, join(seed, 'dnindex.properties'));
  assert.equal(settings.warnings.length, 1, settings.warnings.join('\n'));
  assert.match(
    settings.warnings[0] ?? '',
    /rule\.xml line 16, function "partbyday": .*sPartionDay; sPartitionDay is taken/,
  );
});

test('readMycatDirectory has no place for days outside the documented tables and says what to add', async () => {
  const { shardMap } = await readMycatDirectory(seed);
  const cases: readonly (readonly [MailProtocol, string, RegExp, RegExp])[] = [
    ['imap', '2022-01-25', /partition -2, and there are 3 subTables/, /sBeginDate/],
    ['imap', '2022-01-26', /partition -1/, /sBeginDate/],
    ['imap', '2022-01-30', /partition 3, and there are 3 subTables/, /sBeginDate/],
    ['imap', '2022-02-01', /no table is for imap on 2022-02-01/, /imap_2022_02_0\$1-9,imap_2022_02_\$10-28/],
    ['smtp', '2022-01-27', /no table is for smtp/, /<table name="smtp_2022_01"/],
  ];
  for (const [protocol, day, message, hint] of cases) {
    assert.throws(
      () => shardMap.shardOf(protocol, day),
      (error: unknown) =>
        error instanceof MailprocError && message.test(error.message) && hint.test(error.hint ?? ''),
      `${protocol} ${day}`,
    );
  }
});

test('readMycatDirectory places months of natural days with padded ranges', async (context) => {
  const table = '<table name="imap_2022_01" primaryKey="id" dataNode="dn1" subTables="imap_2022_01_$27-29"';
  const settings = await read(context, {
    'schema.xml': [
      [table, '<table name="imap_2022_02" dataNode="dn1" subTables="imap_2022_02_0$1-9,imap_2022_02_$10-28"'],
    ],
    'rule.xml': [['<property name="sPartitionDay">1<', '<property name="sNaturalDay">1<']],
  });
  assert.equal(place(settings, 'imap', '2022-02-01'), 'dn1 localhost1 imap_database imap_2022_02_01');
  assert.equal(place(settings, 'imap', '2022-02-28'), 'dn1 localhost1 imap_database imap_2022_02_28');
  assert.deepEqual(settings.warnings, []);
});

test('readMycatDirectory warns of ranges without padding and uses their names', async (context) => {
  const settings = await read(context, {
    'schema.xml': [['imap_2022_01_$27-29', 'imap_2022_01_$01-31']],
    'rule.xml': [['<property name="sPartitionDay">1<', '<property name="sNaturalDay">1<']],
  });
  assert.equal(place(settings, 'imap', '2022-01-07'), 'dn1 localhost1 imap_database imap_2022_01_7');
  assert.match(
    settings.warnings.join('\n'),
    /attribute subTables: ranges are not padded, the table is called imap_2022_01_1/,
  );
});

test('readMycatDirectory warns of subTables that the rule never reaches and refuses their days', async (context) => {
  const settings = await read(context, { 'rule.xml': [['2022-01-27', '2022-01-20']] });
  assert.match(settings.warnings.join('\n'), /imap_2022_01_27 is at 0, where the rule says 7 for its day/);
  assert.throws(() => place(settings, 'imap', '2022-01-27'), /partition 7, and there are 3 subTables/);
  assert.throws(() => place(settings, 'imap', '2022-01-21'), /subTable imap_2022_01_28 is of another day/);
});

/** Two data hosts with two databases each, host-major. */
const spread = {
  'schema.xml': [
    ['dataNode="dn1" subTables="imap_2022_01_$27-29"', 'dataNode="dn$1-4"'],
    [
      '<dataNode name="dn1" dataHost="localhost1" database="imap_database" />',
      '<dataNode name="dn$1-4" dataHost="localhost$1-2" database="db$0-1" />',
    ],
    [
      '</mycat:schema>',
      '<dataHost name="localhost2" maxCon="9" balance="0" dbType="mysql"><heartbeat/><writeHost host="hostM1" url="jdbc:mysql://db:3308/x?a=b" user="u" password=""/></dataHost></mycat:schema>',
    ],
  ],
} as const;

test('readMycatDirectory spreads days over ranges of data nodes, host by host', async (context) => {
  const settings = await read(context, spread);
  const places = [27, 28, 29, 30].map((day) => place(settings, 'imap', `2022-01-${day}`));
  assert.deepEqual(places, [
    'dn1 localhost1 db0 imap_2022_01_27',
    'dn2 localhost1 db1 imap_2022_01_28',
    'dn3 localhost2 db0 imap_2022_01_29',
    'dn4 localhost2 db1 imap_2022_01_30',
  ]);
  assert.throws(() => place(settings, 'imap', '2022-01-31'), /partition 4, and there are 4 data nodes/);
  assert.deepEqual(
    settings.shardMap.dataNodes().map(({ name }) => name),
    ['dn1', 'dn2', 'dn3', 'dn4'],
  );
  const other = settings.dataHosts[1];
  assert.equal(other?.switchType, -1);
  assert.equal(other?.slaveThreshold, -1);
  assert.equal(other?.heartbeat.statement, 'select user()');
  const server = other?.writeHosts[0]?.server;
  assert.deepEqual(
    [server?.name, server?.host, server?.port, server?.password],
    ['localhost2.hostM1', 'db', 3308, ''],
  );
});

test('readMycatDirectory accepts a data node for each subTable', async (context) => {
  const [, nodes, host] = spread['schema.xml'];
  const settings = await read(context, {
    'schema.xml': [
      ['dataNode="dn1" subTables="imap_2022_01_$27-29"', 'dataNode="dn$1-4" subTables="imap_2022_01_$27-30"'],
      nodes,
      host,
    ],
  });
  assert.equal(place(settings, 'imap', '2022-01-30'), 'dn4 localhost2 db1 imap_2022_01_30');
  assert.match(settings.warnings.join('\n'), /MyCat refuses such a table/);
});

test('readMycatDirectory sends what a schema does not name to its own data node', async (context) => {
  const settings = await read(context, {
    'schema.xml': [['<schema name="imap_database"', '<schema name="imap_database" dataNode="dn1"']],
  });
  assert.equal(place(settings, 'pop3', '2030-05-06'), 'dn1 localhost1 imap_database pop3_2030_05_06');
  assert.throws(() => place(settings, 'imap', '2022-01-30'), /partition 3/);
});

test('readMycatDirectory keeps the data nodes of several schemas apart', async (context) => {
  const settings = await read(context, {
    'schema.xml': [
      ['</schema>', '</schema><schema name="smtp_database" dataNode="dn9"/>'],
      [
        '<dataNode name',
        '<dataNode name="dn9" dataHost="localhost1" database="smtp_database"/><dataNode name',
      ],
    ],
  });
  assert.equal(place(settings, 'smtp', '2022-01-27'), 'dn9 localhost1 smtp_database smtp_2022_01_27');
  assert.throws(() => place(settings, 'pop3', '2022-01-27'), /no table is for pop3/);
});

test('readMycatDirectory takes tables of single days and months of several protocols from one element', async (context) => {
  const settings = await read(context, {
    'schema.xml': [
      [
        '</schema>',
        '<table name="SMTP_2022_02,pop3_2022_02,imap_2022_03_04" dataNode="dn1"/><table name="orders" dataNode="dnX" rule="mod-long"/></schema>',
      ],
    ],
  });
  assert.equal(place(settings, 'smtp', '2022-02-11'), 'dn1 localhost1 imap_database smtp_2022_02_11');
  assert.equal(place(settings, 'pop3', '2022-02-11'), 'dn1 localhost1 imap_database pop3_2022_02_11');
  assert.equal(place(settings, 'imap', '2022-03-04'), 'dn1 localhost1 imap_database imap_2022_03_04');
  assert.throws(() => place(settings, 'imap', '2022-03-05'), /no table/);
});

test('readMycatDirectory counts partitions in the zone that is given and warns where its clocks change', async (context) => {
  const settings = await read(context, spread, { timeZone: 'America/New_York' });
  assert.match(settings.warnings.join('\n'), /clocks change in America\/New_York/);
  const error = await refusal(read(context, {}, { timeZone: 'Mars' }));
  assert.equal(error.code, 'config.time-zone');
});

test('readMycatDirectory warns of what it does not use', async (context) => {
  const cases: readonly (readonly [Changes, RegExp])[] = [
    [
      { 'schema.xml': [['writeType="0"', 'writeType="1"']] },
      /schema\.xml line 8, dataHost "localhost1", attribute writeType: 1 .* taken for 0/,
    ],
    [
      { 'schema.xml': [['writeType="0"', 'writetype="0"']] },
      /attribute writetype: unknown, not used; did you mean "writeType"/,
    ],
    [{ 'schema.xml': [['balance="1"', '']] }, /attribute balance: it is missing, 0 is used/],
    [{ 'schema.xml': [['maxCon="1000"', '']] }, /attribute maxCon: it is missing, 8 is used/],
    [
      { 'schema.xml': [['switchType="1"', 'switchType="2"']] },
      /"select user\(\)" does not tell what switchType 2 must know/,
    ],
    [
      { 'schema.xml': [['switchType="1"', 'switchType="3"']] },
      /switchType 3 must know; "show status like 'wsrep%'"/,
    ],
    [
      { 'schema.xml': [['<heartbeat>', '<heartBeat/><heartbeat>']] },
      /heartBeat: unknown element, not used; did you mean "heartbeat"/,
    ],
    [
      { 'schema.xml': [['<heartbeat>', '<connectionInitSql>set x=1</connectionInitSql><heartbeat>']] },
      /connectionInitSql is not used/,
    ],
    [
      {
        'schema.xml': [
          ['</schema>', '<table name="smtp_" nameSuffix="yyyymm,2022,01,60" dataNode="dn1"/></schema>'],
        ],
      },
      /attribute nameSuffix: not used/,
    ],
    [
      { 'schema.xml': [['</schema>', '<table name="smtp_archive" dataNode="dn1"/></schema>']] },
      /"smtp_archive" is no table of mail/,
    ],
    [
      {
        'schema.xml': [
          ['rule="sharding-by-date"/>', 'rule="sharding-by-date"><childTable name="x"/></table>'],
        ],
      },
      /childTable is not used/,
    ],
    [
      {
        'rule.xml': [
          ['name="sPartitionDay"', 'name="sPartionDay"'],
          ['name="sBeginDate">', 'name="sBeginnDate">1</property><property name="sBeginDate">'],
        ],
      },
      /property "sBeginnDate": unknown, not used; did you mean "sBeginDate"/,
    ],
    [
      { 'server.xml': [['sequnceHandlerType', 'seqenceHandlerType']] },
      /property "seqenceHandlerType": unknown, not used; did you mean "sequenceHandlerType"/,
    ],
    [
      { 'server.xml': null, 'sequence_db_conf.properties': null },
      /sequence_db_conf\.properties: it is missing; the sequence GLOBAL is kept on dn1/,
    ],
    [{ 'sequence_db_conf.properties': 'MAIL=dn1\n' }, /no sequence GLOBAL, MAIL is used/],
    [{ 'dnindex.properties': 'localhost1=2\n' }, /localhost1 has no write host 2/],
  ];
  for (const [changes, expected] of cases) {
    const { warnings } = await read(context, changes);
    assert.match(warnings.join('\n'), expected);
  }
});

test('readMycatDirectory refuses what it cannot honour and names file, element and attribute', async (context) => {
  const schema = (before: string, after: string): Changes => ({ 'schema.xml': [[before, after]] });
  const rule = (before: string, after: string): Changes => ({ 'rule.xml': [[before, after]] });
  const cases: readonly (readonly [Changes, RegExp])[] = [
    [{ 'schema.xml': null }, /read .*schema\.xml: there is no such file/],
    [{ 'rule.xml': null }, /rule\.xml: it is missing, and a table names a rule/],
    [schema('</mycat:schema>', ''), /schema\.xml line \d+: /],
    [
      schema('balance="1"', 'balance="4"'),
      /schema\.xml line 8, dataHost "localhost1", attribute balance: "4" is not one of 0, 1, 2, 3/,
    ],
    [schema('switchType="1"', 'switchType="5"'), /attribute switchType: "5" is not one of -1, 1, 2, 3/],
    [schema('writeType="0"', 'writeType="2"'), /attribute writeType: "2"/],
    [schema('maxCon="1000"', 'maxCon="0"'), /attribute maxCon: "0" is no whole number from 1/],
    [schema('slaveThreshold="100"', 'slaveThreshold="x"'), /attribute slaveThreshold: "x"/],
    [schema('dbType="mysql"', 'dbType="oracle"'), /attribute dbType: "oracle" is no MySQL/],
    [
      schema('url="10.0.0.1:3306"', 'url="10.0.0.1:99999"'),
      /writeHost "hostM1", attribute url: "10.0.0.1:99999" is no address/,
    ],
    [schema('url="10.0.0.1:3306"', 'url="jdbc:oracle:thin:@x"'), /attribute url/],
    [schema('url="10.0.0.1:3306"', ''), /attribute url: it is missing/],
    [
      schema('user="mail" password="one', 'password="one'),
      /writeHost "hostM1", attribute user: it is missing/,
    ],
    [
      schema('password="one &amp; only"', 'password="Zm9v" usingDecrypt="1"'),
      /attribute usingDecrypt: the password is encrypted/,
    ],
    [schema('host="hostM2"', 'host="hostM1"'), /attribute host: the name is used twice/],
    [
      schema('dataNode="dn1"', 'dataNode="dn2"'),
      /table "imap_2022_01", attribute dataNode: there is no dataNode "dn2"/,
    ],
    [
      schema('dataHost="localhost1"', 'dataHost="localhost9"'),
      /dataNode "dn1", attribute dataHost: there is no dataHost "localhost9"/,
    ],
    [schema('database="imap_database"', 'database="a`b"'), /attribute database: "a`b" is no name/],
    [schema('database="imap_database"', 'database="db$1-2"'), /1 names for 1 dataHosts with 2 databases/],
    [
      schema('rule="sharding-by-date"', 'rule="sharding"'),
      /attribute rule: rule\.xml has no tableRule "sharding"/,
    ],
    [schema('rule="sharding-by-date"', ''), /attribute rule: it is missing/],
    [schema('rule="sharding-by-date"', 'rule="mod-long"'), /tableRule "mod-long", element columns: "id"/],
    [
      schema('rule="sharding-by-date"', 'rule="sharding-by-date" type="global"'),
      /attribute type: a table of mail/,
    ],
    [schema('dataNode="dn1" sub', 'dataNode="distribute(dn1)" sub'), /attribute dataNode: distribute/],
    [schema('dataNode="dn1" sub', 'dataNode="dn1,dn1" sub'), /3 subTables cannot be on 2 data nodes/],
    [schema('imap_2022_01_$27-29', 'imap_2022_01_$a'), /attribute subTables: "imap_2022_01_\$a" is no range/],
    [
      schema('</schema>', '<table name="IMAP_2022_01" dataNode="dn1"/></schema>'),
      /the table "imap_2022_01" is also in .* line 5/,
    ],
    [schema('table name="imap_2022_01"', 'table name="orders"'), /it names no table of mail/],
    [
      rule('PartitionByDate', 'PartitionByMonth'),
      /function "partbyday", attribute class: "io\.mycat\.route\.function\.PartitionByMonth"/,
    ],
    [rule('<algorithm>partbyday', '<algorithm>partbyweek'), /rule\.xml has no function "partbyweek"/],
    [rule('yyyy-MM-dd', 'dd MMM yyyy'), /rule\.xml line 16, function "partbyday": "MMM"/],
    [rule('<property name="sPartitionDay">1</property>', ''), /sPartionDay is missing/],
    [
      { 'server.xml': [['>1<', '>3<']] },
      /server\.xml line 6, property "sequnceHandlerType": the type "3" is not supported/,
    ],
    [
      { 'server.xml': [['</system>', '<property name="sequenceHandlerType">2</property></system>']] },
      /it contradicts/,
    ],
    [{ 'server.xml': [['>1<', '>0<']] }, /sequence_conf\.properties: there is no such file/],
    [
      { 'server.xml': [['>1<', '>2<']], 'sequence_time_conf.properties': 'WORKID=32\nDATAACENTERID=1\n' },
      /key WORKID: "32" is no number from 0 to 31/,
    ],
    [{ 'sequence_db_conf.properties': 'GLOBAL=dn7\n' }, /key GLOBAL: there is no data node "dn7"/],
    [{ 'sequence_db_conf.properties': 'A=dn1\nB=dn1\n' }, /it has no sequence GLOBAL/],
    [{ 'dnindex.properties': 'localhost1=first\n' }, /"first" is no index/],
  ];
  for (const [changes, expected] of cases) {
    const { message } = await refusal(read(context, changes));
    assert.match(message, expected);
  }
});

test('readMycatDirectory never shows a password', async (context) => {
  const secret = 's3cr3t';
  const change = (url: string): Changes => ({
    'schema.xml': [
      ['password="one &amp; only"', `password="${secret}"`],
      ['url="10.0.0.1:3306"', url],
    ],
  });
  for (const url of ['url="x:y"', `url="jdbc:mysql://[x?password=${secret}"`, 'usingDecrypt="1" url="a:1"']) {
    const { message, hint } = await refusal(read(context, change(url)));
    assert.ok(!`${message}${hint}`.includes(secret), message);
  }
});

test('readMycatDirectory reads all three kinds of sequences', async (context) => {
  const type = (text: string): Changes['x'] => [['>1<', `>${text}<`]];
  const time = 'WORKID=01\nDATAACENTERID=07\n';
  const timed = await read(context, {
    'server.xml': type('2') ?? null,
    'sequence_time_conf.properties': time,
  });
  assert.deepEqual(timed.sequence, { kind: 'time', datacenter: 7, worker: 1 });
  const file = 'GLOBAL.HISIDS=\nGLOBAL.MINID=1\nGLOBAL.MAXID=9\nGLOBAL.CURID=0\nA.CURID=0\n';
  const filed = await read(context, { 'server.xml': type('0') ?? null, 'sequence_conf.properties': file });
  assert.equal(filed.sequence.kind, 'file');
  assert.equal(filed.sequence.kind === 'file' && filed.sequence.name, 'GLOBAL');
  // Without a type MyCat takes the file.
  const silent = await read(context, {
    'server.xml': [['<property name="sequnceHandlerType">1</property>', '']],
    'sequence_conf.properties': file,
  });
  assert.equal(silent.sequence.kind, 'file');
});

test('parseXml expands no entity of the document, fetches nothing and refuses bombs quickly', () => {
  const bomb = Array.from({ length: 12 }, (_, n) => `<!ENTITY a${n + 1} "${`&a${n};`.repeat(10)}">`).join('');
  const cases = [
    `<!DOCTYPE r [<!ENTITY a0 "boom">${bomb}]><r x="&a12;"/>`,
    '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
    '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><r>&x;</r>',
    '<r>&nbsp;</r>',
    '<r>a & b</r>',
    '<r x="&#x110000;"/>',
    '<r x="&#0;"/>',
    '<r x="1" x="2"/>',
    '<r><a></r>',
    '<a/><b/>',
    '',
    'plain text',
    '<__proto__/>',
    `${'<a>'.repeat(50)}${'</a>'.repeat(50)}`,
    '<a>'.repeat(100_000),
  ];
  for (const text of cases) {
    assert.throws(() => parseXml(text, 'x.xml'), MailprocError, text.slice(0, 80));
  }
  assert.equal(
    parseXml('<!DOCTYPE r SYSTEM "r.dtd"><r>&lt;&#65;&#x42;&amp;amp;</r>', 'x.xml').text,
    '<AB&amp;',
  );
});

test('parseXml gives the tree or refuses with a MailprocError, whatever the text', () => {
  const valid = readFileSync(join(seed, 'schema.xml'), 'utf8');
  const piece = fc.constantFrom(
    '<',
    '>',
    '"',
    '&',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<!DOCTYPE x [',
    '</',
    '/>',
    '=',
    '<a b="c">',
  );
  fc.assert(
    fc.property(
      fc.nat(valid.length),
      fc.nat(40),
      fc.array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 6 }),
      (at, cut, put) => {
        const text = valid.slice(0, at) + put.join('') + valid.slice(at + cut);
        try {
          assert.equal(typeof parseXml(text, 'x.xml').name, 'string');
        } catch (error) {
          assert.ok(error instanceof MailprocError, `${String(error)} of ${text}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});
