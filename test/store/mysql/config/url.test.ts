import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MailprocError } from '../../../../src/core/errors.ts';
import { parseMysqlUrl } from '../../../../src/store/mysql/config/url.ts';
import type { Server } from '../../../../src/store/mysql/types.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const environment = { MAILPROC_MYSQL_PASSWORD: 'from the environment' };

async function servers(url: string): Promise<readonly Server[]> {
  const { dataHosts } = await parseMysqlUrl(url, environment);
  return dataHosts.flatMap(({ writeHosts }) => writeHosts.map(({ server }) => server));
}

test('parseMysqlUrl makes one data host and three data nodes of a server', async () => {
  const settings = await parseMysqlUrl('mysql://mail@db.example:3307', environment);
  assert.deepEqual(settings.dataHosts, [
    {
      name: 'mysql',
      writeHosts: [
        {
          server: {
            name: 'db.example:3307',
            host: 'db.example',
            port: 3307,
            socketPath: undefined,
            user: 'mail',
            password: 'from the environment',
            tls: undefined,
          },
          readHosts: [],
        },
      ],
      balance: 0,
      switchType: -1,
      slaveThreshold: -1,
      heartbeat: { statement: 'select user()', intervalMs: 1000, missesMax: 3 },
      maxConnections: 8,
    },
  ]);
  assert.deepEqual(
    settings.shardMap.dataNodes(),
    ['smtp', 'pop3', 'imap'].map((protocol) => ({
      name: `${protocol}_database`,
      dataHost: 'mysql',
      database: `${protocol}_database`,
    })),
  );
  const shard = settings.shardMap.shardOf('imap', '2022-01-07');
  assert.deepEqual([shard.dataNode.name, shard.table], ['imap_database', 'imap_2022_01_07']);
  assert.deepEqual(settings.sequence, { kind: 'database', dataNode: 'smtp_database', name: 'GLOBAL' });
  assert.deepEqual([settings.schema, settings.activeHostFile, settings.warnings], ['wide', undefined, []]);
});

test('parseMysqlUrl reads hosts, ports, addresses and sockets', async () => {
  const cases: readonly (readonly [url: string, expected: readonly (readonly [string, number])[]])[] = [
    ['mysql://u@h', [['h', 3306]]],
    ['mysql://u@h/', [['h', 3306]]],
    ['mysql://u@10.0.0.1:1', [['10.0.0.1', 1]]],
    ['mysql://u@h:65535', [['h', 65_535]]],
    ['mysql://u@[::1]', [['::1', 3306]]],
    ['mysql://u@[fe80::1%25eth0]:3307', [['fe80::1%eth0', 3307]]],
    [
      'mysql://u@a,b:3307,[::2]:3308',
      [
        ['a', 3306],
        ['b', 3307],
        ['::2', 3308],
      ],
    ],
  ];
  for (const [url, expected] of cases) {
    const found = await servers(url);
    assert.deepEqual(
      found.map(({ host, port }) => [host, port]),
      expected,
      url,
    );
  }
  for (const url of [
    'mysql://u@?socket=/run/my%20sql.sock',
    'mysql://u@localhost?socket=/run/my%20sql.sock',
  ]) {
    const [server] = await servers(url);
    assert.equal(server?.socketPath, '/run/my sql.sock', url);
  }
  const { dataHosts } = await parseMysqlUrl('mysql://u@a,b', environment);
  assert.equal(dataHosts[0]?.switchType, 1);
});

test('parseMysqlUrl takes the password from the environment, a file or the URL and warns of the last', async (context) => {
  const folder = temporaryFolder(context);
  const path = join(folder, 'password');
  writeFileSync(path, 'from the file\r\nsecond line\n', { mode: 0o600 });
  const password = async (url: string): Promise<readonly [string | undefined, readonly string[]]> => {
    const { dataHosts, warnings } = await parseMysqlUrl(url, environment);
    return [dataHosts[0]?.writeHosts[0]?.server.password, warnings];
  };
  assert.deepEqual(await password('mysql://u@h'), ['from the environment', []]);
  assert.deepEqual(await password(`mysql://u@h?password-file=${encodeURIComponent(path)}`), [
    'from the file',
    [],
  ]);
  const [given, warnings] = await password('mysql://u:p%40%3a%2F%25@h');
  assert.equal(given, 'p@:/%');
  assert.match(warnings.join(), /can be seen by everybody/);
  assert.deepEqual((await password('mysql://u:@h'))[0], '');
  chmodSync(path, 0o644);
  assert.match((await password(`mysql://u@h?password-file=${path}`))[1].join(), /can be read by others/);
  const without = await parseMysqlUrl('mysql://u@h', {});
  assert.equal(without.dataHosts[0]?.writeHosts[0]?.server.password, '');
});

test('parseMysqlUrl reads TLS, databases and the other parameters', async (context) => {
  const ca = join(temporaryFolder(context), 'ca.pem');
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  writeFileSync(ca, pem);
  const tls = async (query: string): Promise<Server['tls']> =>
    (await servers(`mysql://u@h?${query}`))[0]?.tls;
  assert.deepEqual(await tls('tls=required'), { ca: undefined, verify: false });
  assert.deepEqual(await tls('tls=verify'), { ca: undefined, verify: true });
  assert.deepEqual(await tls(`tls=verify&ca=${ca}`), { ca: pem, verify: true });
  assert.deepEqual(await tls(`ca=${ca}`), { ca: pem, verify: true });
  assert.equal(await tls('tls=off'), undefined);
  const query =
    'smtp-database=s&imap-database=i&schema=documented&max-connections=20&switch-type=3&active-host-file=/x/y';
  const settings = await parseMysqlUrl(`mysql://%75@h/all?${query}`, environment);
  assert.deepEqual(
    settings.shardMap.dataNodes().map(({ database }) => database),
    ['s', 'all', 'i'],
  );
  const [host] = settings.dataHosts;
  assert.deepEqual([host?.maxConnections, host?.switchType, host?.writeHosts[0]?.server.user], [20, 3, 'u']);
  assert.deepEqual([settings.schema, settings.activeHostFile], ['documented', '/x/y']);
  assert.match(host?.heartbeat.statement ?? '', /wsrep/);
});

const secret = 'S3cr3tOfMine';

test('parseMysqlUrl refuses what it does not understand, with a hint and without the password', async (context) => {
  const folder = temporaryFolder(context);
  const empty = join(folder, 'empty');
  writeFileSync(empty, '\n', { mode: 0o600 });
  const cases: readonly (readonly [url: string, message: RegExp, hint?: RegExp])[] = [
    ['mysql:u@h', /has not the form/, /mysql:\/\/user@host:3306/],
    ['mysql://h', /names no user/],
    [`mysql://:${secret}@h`, /names no user/],
    ['mysql://u@', /names no host/],
    [`mysql://u:${secret}@h:0`, /"h:0" is no host and port/],
    [`mysql://u:${secret}@h:65536`, /is no host and port/],
    [`mysql://u:${secret}@[::1`, /is no host and port/, /\[::1\]:3306/],
    [`mysql://u:${secret}@::1:3306`, /is no host and port/],
    [`mysql://u:${secret}@a,,b`, /"" is no host and port/],
    [`mysql://u:${secret}@a,a:3306`, /a:3306 is named twice/],
    [`mysql://u:${secret}@h?tsl=verify`, /unknown parameter "tsl"/, /did you mean "tls"/],
    [`mysql://u@h?password=${secret}`, /unknown parameter "password"/, /MAILPROC_MYSQL_PASSWORD/],
    [`mysql://u:${secret}@h?tls=verify&tls=off`, /tls is given twice/],
    [`mysql://u:${secret}@h?tls=`, /tls has no value/],
    [`mysql://u:${secret}@h?tls=yes`, /tls is "yes"/, /off, required, verify/],
    [`mysql://u:${secret}@h?tls=required&ca=/x`, /ca has no effect with tls=required/],
    [`mysql://u:${secret}@h?ca=${empty}`, /holds no certificate/],
    [`mysql://u:${secret}@h?schema=narrow`, /schema is "narrow"/],
    [`mysql://u:${secret}@h?max-connections=0`, /max-connections "0"/],
    [`mysql://u:${secret}@h/a\`b`, /"a`b" is no name of a database/],
    [`mysql://u:${secret}@h?imap-database=a%20b`, /is no name of a database/],
    [`mysql://u:${secret}@other?socket=/s`, /a socket is not on other/],
    [`mysql://u:${secret}@h?password-file=/x`, /holds a password and names a password-file/],
    [`mysql://u@h?password-file=${folder}/none`, /password file .*none.*: there is no such file/],
    [`mysql://u@h?password-file=${empty}`, /begins with an empty line/],
    // Passwords with characters that must be written as codes.
    [`mysql://u:${secret}/x@h`, /has not the form/, /\/ as %2F/],
    [`mysql://u:${secret}?x@h`, /has not the form/],
    [`mysql://u:${secret}#x@h`, /has not the form/],
    [`mysql://u:a@${secret}/b@h`, /has not the form/],
    [`mysql://u:${secret}%@h`, /% that is followed by no code/, /% as %25/],
    [`mysql://u:${secret}%00@h`, /followed by no code/],
  ];
  for (const [url, message, hint = /./] of cases) {
    await assert.rejects(parseMysqlUrl(url, environment), (error: unknown) => {
      assert.ok(error instanceof MailprocError, `${url}: ${String(error)}`);
      assert.match(error.code, /^config\./);
      assert.match(error.message, message, url);
      if (hint.source !== '.') assert.match(error.hint ?? '', hint, url);
      assert.ok(!`${error.message} ${error.hint}`.includes(secret), `${url}: ${error.message}`);
      return true;
    });
  }
});

test('parseMysqlUrl accepts an @ in the password', async () => {
  const [server] = await servers(`mysql://u:a@${secret}@h`);
  assert.deepEqual([server?.user, server?.password, server?.host], ['u', `a@${secret}`, 'h']);
});

test('parseMysqlUrl gives settings or a MailprocError without the password, whatever the URL', async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom('@', ':', '/', '?', '#', '%', '&', '=', ',', '[', ']'),
  );
  await fc.assert(
    fc.asyncProperty(text, text, text, async (before, after, rest) => {
      try {
        const { warnings } = await parseMysqlUrl(`mysql://u:${before}${secret}${after}@h${rest}`, {});
        assert.ok(!warnings.join().includes(secret));
      } catch (error) {
        assert.ok(error instanceof MailprocError, String(error));
        assert.ok(!`${error.message} ${error.hint}`.includes(secret), error.message);
      }
    }),
    { numRuns: 500 },
  );
});
