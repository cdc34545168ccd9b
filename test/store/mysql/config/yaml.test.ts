import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { MailprocError } from '../../../../src/core/errors.ts';
import { readClusterFile } from '../../../../src/store/mysql/config/yaml.ts';
import type { ClusterSettings, MailProtocol } from '../../../../src/store/mysql/types.ts';
import { projectRoot } from '../../../support/project.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const samples = join(projectRoot, 'test', 'store', 'mysql', 'config', 'samples');
const sample = readFileSync(join(samples, 'cluster.yaml'), 'utf8');
const environment = { CLUSTER_PASSWORD: 's3cr3t' };

const smallest = `
login: { user: u }
dataHosts: { h: { masters: db } }
dataNodes: { dn1: { dataHost: h, database: mail } }
`;

function write(context: TestContext, text: string): string {
  const path = join(temporaryFolder(context), 'cluster.yaml');
  writeFileSync(path, text);
  return path;
}

function read(context: TestContext, text: string): Promise<ClusterSettings> {
  return readClusterFile(write(context, text), environment);
}

function place({ shardMap }: ClusterSettings, protocol: MailProtocol, day: string): string {
  const { dataNode, table } = shardMap.shardOf(protocol, day);
  return `${dataNode.name} ${table}`;
}

test('readClusterFile reads the documented example', async () => {
  const settings = await readClusterFile(join(samples, 'cluster.yaml'), environment);
  const [hostA, hostB] = settings.dataHosts;
  const servers = (hostA?.writeHosts ?? []).map(({ server, readHosts }) => [
    `${server.name} ${server.user}@${server.host}:${server.port}`,
    ...readHosts.map(
      ({ server: { name, host, port, user, password }, weight }) =>
        `${name} ${user}:${password}@${host}:${port} ${weight}`,
    ),
  ]);
  assert.deepEqual(servers, [
    [
      'hostM1 mailproc@10.0.0.1:3306',
      'hostM1-r1 mailproc:s3cr3t@10.0.0.2:3306 1',
      'hostM1-r2 mailproc:s3cr3t@10.0.0.3:3307 1',
    ],
    ['hostA-m2 mailproc@10.0.0.4:3306', 'hostA-m2-r1 reader:@10.0.0.5:3306 3'],
  ]);
  assert.deepEqual(
    [hostA?.balance, hostA?.switchType, hostA?.slaveThreshold, hostA?.maxConnections],
    [1, 1, -1, 8],
  );
  assert.deepEqual(hostA?.heartbeat, { statement: 'select user()', intervalMs: 1000, missesMax: 3 });
  assert.deepEqual(
    { ...hostB, writeHosts: hostB?.writeHosts[0]?.server },
    {
      name: 'hostB',
      balance: 0,
      switchType: 2,
      slaveThreshold: 30,
      maxConnections: 4,
      heartbeat: { statement: 'show slave status', intervalMs: 500, missesMax: 2 },
      writeHosts: {
        name: 'hostB-m1',
        host: 'fd00::1',
        port: 3306,
        socketPath: undefined,
        user: 'mailproc',
        password: 's3cr3t',
        tls: { ca: undefined, verify: false },
      },
    },
  );
  assert.deepEqual(settings.sequence, { kind: 'database', dataNode: 'dn2', name: 'MAIL' });
  assert.equal(settings.activeHostFile, join(samples, 'active-hosts.properties'));
  assert.deepEqual([settings.schema, settings.warnings], ['wide', []]);
});

test('readClusterFile places days by the first table that covers them', async () => {
  const settings = await readClusterFile(join(samples, 'cluster.yaml'), environment);
  const cases: readonly (readonly [MailProtocol, string, string])[] = [
    ['imap', '2022-01-28', 'dn1 imap_2022_01_28'],
    ['imap', '2022-02-01', 'dn2 imap_2022_02_01'],
    ['imap', '2022-02-02', 'dn1 imap_2022_02_02'],
    ['smtp', '2022-01-01', 'dn1 smtp_2022_01_01'],
    ['smtp', '2022-01-02', 'dn2 smtp_2022_01_02'],
    ['pop3', '2022-01-02', 'dn1 pop3_2022_01_02'],
  ];
  for (const [protocol, day, expected] of cases) assert.equal(place(settings, protocol, day), expected);
  assert.throws(
    () => place(settings, 'imap', '2022-01-30'),
    /key tables\.imap_2022_01: the rule says partition 3/,
  );
  assert.throws(() => place(settings, 'smtp', '2021-12-30'), /partition -2, and there are 2 data nodes/);
});

test('readClusterFile reads the smallest file and puts everything on its data node', async (context) => {
  const settings = await read(context, smallest);
  assert.equal(place(settings, 'imap', '2030-12-31'), 'dn1 imap_2030_12_31');
  assert.deepEqual(settings.sequence, { kind: 'database', dataNode: 'dn1', name: 'GLOBAL' });
  assert.equal(settings.activeHostFile, undefined);
  assert.equal(settings.dataHosts[0]?.writeHosts[0]?.server.password, '');
});

test('readClusterFile knows patterns of protocols, years and months', async (context) => {
  const tables = (lines: string): Promise<ClusterSettings> => read(context, `${smallest}tables:\n${lines}`);
  const settings = await tables('  smtp_2022_03: dn1\n  "*_2023": dn1\n  imap_*_12: dn1\n');
  assert.equal(place(settings, 'smtp', '2022-03-09'), 'dn1 smtp_2022_03_09');
  assert.equal(place(settings, 'pop3', '2023-03-09'), 'dn1 pop3_2023_03_09');
  assert.equal(place(settings, 'imap', '2022-12-09'), 'dn1 imap_2022_12_09');
  for (const [protocol, day] of [
    ['smtp', '2022-04-01'],
    ['imap', '2022-03-01'],
  ] as const) {
    assert.throws(
      () => settings.shardMap.shardOf(protocol, day),
      (error: unknown) =>
        error instanceof MailprocError &&
        /key tables: no table is for/.test(error.message) &&
        /_\*: dn1/.test(error.hint ?? ''),
    );
  }
});

test('readClusterFile reads passwords, certificates and sockets from beside the file', async (context) => {
  const path = write(
    context,
    `
login: { user: u, password: { file: secret } }
tls: { ca: ca.pem }
dataHosts:
  h:
    tls: verify
    masters:
      - { socket: run/mysqld.sock, tls: off }
      - { server: b, tls: { verify: false } }
      - c
      - &d { server: d, tls: { ca: ca.pem } }
dataNodes: { dn1: { dataHost: h, database: mail } }
sequence: { kind: file, path: ids.properties }
`,
  );
  const folder = join(path, '..');
  writeFileSync(join(folder, 'secret'), 'from the file\n', { mode: 0o600 });
  writeFileSync(join(folder, 'ca.pem'), '-----BEGIN CERTIFICATE-----\n');
  const settings = await readClusterFile(path, {});
  const servers = (settings.dataHosts[0]?.writeHosts ?? []).map(({ server }) => server);
  assert.deepEqual(
    servers.map(({ socketPath, host, tls }) => [socketPath ?? host, tls]),
    [
      [join(folder, 'run/mysqld.sock'), undefined],
      ['b', { ca: undefined, verify: false }],
      ['c', { ca: undefined, verify: true }],
      ['d', { ca: '-----BEGIN CERTIFICATE-----\n', verify: true }],
    ],
  );
  assert.deepEqual(new Set(servers.map(({ password }) => password)), new Set(['from the file']));
  assert.deepEqual(settings.sequence, { kind: 'file', path: join(folder, 'ids.properties'), name: 'GLOBAL' });
});

test('readClusterFile accepts anchors, aliases and merge keys', async (context) => {
  const settings = await read(
    context,
    `
login: { user: u }
dataHosts:
  a: &common { balance: 3, masters: a }
  b: { <<: *common, masters: b }
dataNodes: { dn1: { dataHost: a, database: x }, dn2: { dataHost: b, database: x } }
tables: { smtp_*: &nodes dn1, "*": *nodes }
sequence: { kind: time, datacenter: 31, worker: 0 }
`,
  );
  assert.deepEqual(
    settings.dataHosts.map(({ balance, writeHosts }) => [balance, writeHosts[0]?.server.host]),
    [
      [3, 'a'],
      [3, 'b'],
    ],
  );
  assert.deepEqual(settings.sequence, { kind: 'time', datacenter: 31, worker: 0 });
});

test('readClusterFile warns of the misspelt length and of zones whose clocks change', async (context) => {
  const { warnings } = await read(
    context,
    sample.replace('  sPartionDay: 1\n', '  sPartitionDay: 1\n  timeZone: Europe/Berlin\n'),
  );
  assert.match(warnings.join('\n'), /line \d+, key rule: .*sPartitionDay is taken/);
  assert.match(warnings.join('\n'), /clocks change in Europe\/Berlin/);
});

test('readClusterFile refuses mistakes and names line and key', async (context) => {
  const change = (before: string, after: string): string => {
    assert.ok(sample.includes(before), before);
    return sample.replace(before, () => after);
  };
  const cases: readonly (readonly [text: string, message: RegExp, hint?: RegExp])[] = [
    ['', /a mapping of keys to values is expected/],
    ['- a\n', /a mapping of keys/],
    ['a: [\n', /cluster\.yaml line \d+: /],
    ['a: 1\na: 2\n', /line 2: Map keys must be unique/],
    [
      `${smallest}dataHost: 1\n`,
      /cluster\.yaml line 5, key dataHost: unknown key "dataHost"/,
      /did you mean "dataHosts"/,
    ],
    [
      change('balance: 1', 'balanced: 1'),
      /line 11, key dataHosts\.hostA\.balanced: unknown key "balanced"/,
      /"balance"/,
    ],
    [
      change('balance: 1', 'balance: 4'),
      /line 11, key dataHosts\.hostA\.balance: one of 0, 1, 2, 3 is expected/,
    ],
    [change('switchType: 2', 'switchType: "2"'), /key dataHosts\.hostB\.switchType: one of -1, 1, 2, 3/],
    [
      change('weight: 3', 'wieght: 3'),
      /line 19, key dataHosts\.hostA\.masters\[1\]\.replicas\[0\]\.wieght: unknown key/,
      /"weight"/,
    ],
    [change('weight: 3', 'weight: -3'), /a whole number from 0 to 1000/],
    [
      change('server: 10.0.0.1:3306', 'server: 10.0.0.1:0'),
      /masters\[0\]\.server: "10\.0\.0\.1:0" is no host and port/,
    ],
    [change('server: 10.0.0.1:3306\n', '\n'), /masters\[0\]: the key server is missing/],
    [change('name: hostM1', 'name: hostB-m1'), /two servers are called hostB-m1/],
    [change('masters: "[fd00::1]:3306"', 'masters: []'), /at least one master is needed/],
    [change('masters: "[fd00::1]:3306"', ''), /the key masters is missing/],
    [
      change('dataHost: hostB', 'dataHost: hostC'),
      /key dataNodes\.dn2\.dataHost: there is no data host "hostC"/,
      /did you mean/,
    ],
    [change('database: mail_database', 'database: "a b"'), /"a b" is no name of a database/],
    [change('[dn1, dn2]', '[dn1, dn3]'), /key tables\.\*: there is no data node "dn3"/],
    [change('[dn1, dn2]', '[dn1, 2]'), /a mapping of keys|names of data nodes/],
    [change('[dn1, dn2]', '[]'), /names no data node/],
    [change('pop3_*', 'pop_*'), /key tables\.pop_\*: this is no table of mail/, /imap_2022_01/],
    [
      change('subTables: imap_2022_01_$27-29', 'subTables: imap_2022_01_$a'),
      /key tables\.imap_2022_01\.subTables: "imap_2022_01_\$a" is no range/,
    ],
    [
      change('  sEndDate: 2022-01-02\n', '  column: id\n'),
      /key rule\.column: one of insert_time is expected/,
    ],
    [
      change('  sEndDate: 2022-01-02\n', '  function: PartitionByMonth\n'),
      /key rule\.function: one of PartitionByDate/,
    ],
    [change('sBeginDate: 2022-01-01', 'sBeginDate: yesterday'), /key rule: sBeginDate "yesterday"/],
    [change('sPartionDay: 1\n\n', 'sPartionDay: many\n\n'), /key rule: sPartionDay "many"/],
    [sample.replace(/^rule:\n( {2}.*\n)+/m, ''), /key tables\.\*: without a rule/],
    [sample.replace(/^tables:\n( {2}.*\n)+/m, ''), /the key tables is missing/],
    [
      change('dataNode: dn2, name', 'dataNode: dn9, name'),
      /key sequence\.dataNode: there is no data node "dn9"/,
    ],
    [
      change('kind: database', 'kind: databse'),
      /key sequence\.kind: one of database, file, time/,
      /did you mean "database"/,
    ],
    [
      change('kind: database, dataNode: dn2, name: MAIL', 'kind: time, worker: 32'),
      /key sequence\.worker: a whole number from 0 to 31/,
    ],
    [
      change('kind: database, dataNode: dn2, name: MAIL', 'kind: file'),
      /key sequence: the key path is missing/,
    ],
    [change('schema: wide', 'schema: narrow'), /line 2, key schema: one of wide, documented/],
    [change('tls: required', 'tls: on'), /key dataHosts\.hostB\.tls: one of off, required, verify/],
    [change('tls: required', 'tls: { ca: none.pem }'), /certificates .*none\.pem .*there is no such file/],
    [change('tls: required', 'tls: { ca: x, verify: false }'), /tls\.ca: it has no effect/],
    [
      change('{ environment: CLUSTER_PASSWORD }', '{ environment: NOT_SET }'),
      /key login\.password: the environment variable NOT_SET is not set/,
    ],
    [
      change('{ environment: CLUSTER_PASSWORD }', '{ environment: A, file: b }'),
      /either environment or file/,
    ],
    [
      change('{ environment: CLUSTER_PASSWORD }', '{ file: none }'),
      /password file .*none .*there is no such file/,
    ],
    [change('  user: mailproc\n', ''), /key login: the key user is missing/],
    [smallest.replace('login: { user: u }', ''), /no user is named/],
    [
      change('heartbeat: { intervalMs: 500', 'heartbeat: { intervalMs: 5'),
      /key dataHosts\.hostB\.heartbeat\.intervalMs: a whole number from 100/,
    ],
  ];
  for (const [text, message, hint] of cases) {
    await assert.rejects(read(context, text), (error: unknown) => {
      assert.ok(error instanceof MailprocError, String(error));
      assert.match(error.message, message);
      assert.match(error.message, /cluster\.yaml/);
      if (hint !== undefined) assert.match(error.hint ?? '', hint);
      return true;
    });
  }
  await assert.rejects(
    readClusterFile('/nowhere/cluster.yaml', {}),
    /read cluster file \/nowhere\/cluster\.yaml: there is no such file/,
  );
});

test('readClusterFile refuses a password in the file and does not repeat it', async (context) => {
  const secret = 'Pa55word';
  await assert.rejects(
    read(context, sample.replace('{ environment: CLUSTER_PASSWORD }', secret)),
    (error: unknown) => {
      assert.ok(error instanceof MailprocError);
      assert.match(error.message, /key login\.password: a password is not written into this file/);
      assert.match(error.hint ?? '', /\{ environment: NAME \}/);
      return !`${error.message} ${error.hint}`.includes(secret);
    },
  );
});

test('readClusterFile refuses bombs and strange keys quickly', async (context) => {
  const bomb = Array.from({ length: 12 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`).join(
    '\n',
  );
  const cases = [
    `a0: &a0 x\n${bomb}\n`,
    '__proto__: { polluted: 1 }\n',
    'constructor: 1\n',
    `${'{a: '.repeat(5000)}1${'}'.repeat(5000)}`,
    '!!js/function "x"',
    `${smallest}tables: { "*": dn$0-99999999 }`,
  ];
  for (const text of cases) await assert.rejects(read(context, text), MailprocError, text.slice(0, 60));
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('readClusterFile gives settings or a MailprocError without the password, whatever the file', async (context) => {
  const path = write(context, sample);
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '"',
    '&a',
    '*a',
    '!!x',
    'null',
    '1',
    '#',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(sample.length),
      fc.nat(30),
      fc.array(piece, { maxLength: 5 }),
      async (at, cut, put) => {
        writeFileSync(path, sample.slice(0, at) + put.join('') + sample.slice(at + cut));
        try {
          await readClusterFile(path, environment);
        } catch (error) {
          assert.ok(error instanceof MailprocError, `${String(error)} of ${readFileSync(path, 'utf8')}`);
          assert.ok(!`${error.message} ${error.hint}`.includes('s3cr3t'));
        }
      },
    ),
    { numRuns: 300 },
  );
});
