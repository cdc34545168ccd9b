/** The doctor against servers that are configured wrongly on purpose. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from '../../../src/store/finding.ts';
import { type DoctorOptions, diagnoseMysql } from '../../../src/store/mysql/doctor/diagnose.ts';
import { likePattern } from '../../../src/store/mysql/doctor/replication-findings.ts';
import { mayDo } from '../../../src/store/mysql/doctor/rights.ts';
import type { Examined } from '../../../src/store/mysql/doctor/server-status.ts';
import { missingDays } from '../../../src/store/mysql/doctor/tables.ts';
import { zoneFindings } from '../../../src/store/mysql/doctor/zone-findings.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { ClusterSettings } from '../../../src/store/mysql/types.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
  whyNoMariadb,
} from '../../support/mariadb.ts';
import { sampleEntry } from '../ledger-suite.ts';
import { sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

const skip = whyNoMariadb();

async function findingsOf(
  cluster: ClusterSettings,
  options: Partial<DoctorOptions> = {},
): Promise<readonly Finding[]> {
  const { findings } = await diagnoseMysql(cluster, { url: 'test', timeZone: 'UTC', ...options });
  return findings;
}

function find(findings: readonly Finding[], code: string): Finding {
  const finding = findings.find((each) => each.code === code);
  assert.ok(finding, `${code} among ${JSON.stringify(findings, null, 1)}`);
  assert.notEqual(finding.remedy, '');
  return finding;
}

function problems(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ weight }) => weight !== 'note');
}

async function statements(server: MariadbServer, sql: string, database?: string): Promise<void> {
  const connection = await server.connect({ asRoot: true, ...(database === undefined ? {} : { database }) });
  try {
    await connection.query(sql);
  } finally {
    connection.destroy();
  }
}

/** Three mails of two days, and all entries of the captures. */
async function fill(cluster: ClusterSettings): Promise<void> {
  const sink = new MysqlSink(cluster);
  await sink.open();
  await sink.write([sampleRecord(1), sampleRecord(2)]);
  await sink.write([
    sampleRecord(3, { columns: { insert_time: '2022-01-30', timestamp: '2022-01-30 10:00:00' } }),
  ]);
  for (const number of [1, 2, 3]) {
    const capture = sampleRecord(number).columns.file_path;
    await sink.ledger.settle([sampleEntry(capture)]);
  }
  await sink.ledger.settle([sampleEntry('quiet', { day: '2022-01-29' })]);
  await sink.close();
}

if (skip === undefined) {
  singleServer();
  withReplication();
} else test('diagnoseMysql', { skip }, () => {});

function singleServer(): void {
  let server: MariadbServer;
  let prefixes = 0;
  before(async () => {
    const databases = ['smtp', 'pop3', 'imap'].map((name) => `--binlog-do-db=${name}_database`);
    server = await mariadbServer(undefined, ['--log-bin=mysql-bin', '--server-id=7', ...databases]);
  });
  after(() => server.remove());

  const cluster = (changes: Parameters<typeof settings>[1] = {}): ClusterSettings =>
    settings([dataHost('h', [server])], changes);
  /** Databases of their own, filled. */
  const filled = async (): Promise<{ cluster: ClusterSettings; database: string }> => {
    const prefix = `d${++prefixes}_`;
    const own = cluster({ prefix });
    await fill(own);
    return { cluster: own, database: `${prefix}smtp_database` };
  };

  test('diagnoseMysql finds no problem with a server that is well, before and after the first run', async () => {
    const own = cluster();
    assert.deepEqual(problems(await findingsOf(own)), []);
    await fill(own);
    assert.deepEqual(problems(await findingsOf(own)), []);
    const { seen } = await diagnoseMysql(own, { url: 'test', timeZone: 'UTC' });
    assert.match(seen.join('\n'), /active master of data host h: .*logged in as mailproc/);
    assert.match(
      seen.join('\n'),
      /database smtp_database on data host h, 2 day tables, 2022-01-28 to 2022-01-30/,
    );
    assert.doesNotMatch(JSON.stringify(await findingsOf(own)), /secret/);
  });

  const globals: readonly (readonly [
    what: string,
    wrong: string,
    right: string,
    code: string,
    weight: Finding['weight'],
    said: RegExp,
  ])[] = [
    [
      'a master that is read-only',
      'read_only = ON',
      'read_only = OFF',
      'mysql.read-only',
      'problem',
      /no row can be written/,
    ],
    [
      'small packets',
      'max_allowed_packet = 1048576',
      'max_allowed_packet = 16777216',
      'mysql.packet',
      'problem',
      /1 MiB/,
    ],
    [
      'a server of latin1',
      'character_set_server = latin1',
      'character_set_server = utf8mb4',
      'mysql.server-charset',
      'note',
      /latin1/,
    ],
    [
      'a lax sql_mode',
      `sql_mode = ''`,
      `sql_mode = 'STRICT_TRANS_TABLES'`,
      'mysql.sql-mode',
      'note',
      /not strict/,
    ],
    [
      'a log that is not flushed',
      'innodb_flush_log_at_trx_commit = 0',
      'innodb_flush_log_at_trx_commit = 1',
      'mysql.durability',
      'note',
      /power cut/,
    ],
    [
      'another time zone',
      `time_zone = '+05:30'`,
      `time_zone = SYSTEM`,
      'mysql.time-zone',
      'note',
      /\+05:30 and rows are in UTC/,
    ],
    [
      'a binary log of statements',
      `binlog_format = 'STATEMENT'`,
      `binlog_format = 'ROW'`,
      'mysql.binlog-format',
      'problem',
      /error 1665/,
    ],
  ];
  for (const [what, wrong, right, code, weight, said] of globals) {
    test(`diagnoseMysql finds ${what}`, async () => {
      await statements(server, `SET GLOBAL ${right}`);
      const found = await findingsOf(cluster());
      assert.ok(!found.some((finding) => finding.code === code), 'only when it is wrong');
      await statements(server, `SET GLOBAL ${wrong}`);
      try {
        const finding = find(await findingsOf(cluster()), code);
        assert.equal(finding.weight, weight);
        assert.match(finding.what, said);
      } finally {
        await statements(server, `SET GLOBAL ${right}`);
      }
    });
  }

  test('diagnoseMysql finds databases that the binary log leaves out', async () => {
    const { what, weight } = find(await findingsOf(cluster({ prefix: 'x_' })), 'mysql.binlog-filter');
    assert.equal(weight, 'problem');
    assert.match(
      what,
      /Binlog_Do_DB = smtp_database.*keeps x_smtp_database, x_pop3_database, x_imap_database out/,
    );
  });

  test('diagnoseMysql tells that the user may not see what the binary log leaves out', async () => {
    await statements(
      server,
      `DROP USER IF EXISTS blind@'127.0.0.1'; CREATE USER blind@'127.0.0.1' IDENTIFIED BY 'p'; GRANT ALL ON smtp_database.* TO blind@'127.0.0.1'`,
    );
    const hidden = async () =>
      (await findingsOf(as('blind', 'p'))).find(({ code }) => code === 'mysql.binlog-hidden');
    assert.equal((await hidden())?.weight, 'note');
    await statements(server, `GRANT BINLOG MONITOR ON *.* TO blind@'127.0.0.1'`);
    assert.equal(await hidden(), undefined);
  });

  test('diagnoseMysql finds a connection that gets another character set than it asks for', async () => {
    await statements(
      server,
      `DROP USER IF EXISTS plain@'127.0.0.1'; CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'p'; GRANT ALL ON smtp_database.* TO plain@'127.0.0.1';
       SET GLOBAL init_connect = 'SET NAMES latin1'`,
    );
    try {
      const { what } = find(await findingsOf(as('plain', 'p')), 'mysql.connection-charset');
      assert.match(what, /get latin1/);
    } finally {
      await statements(server, `SET GLOBAL init_connect = ''`);
    }
  });

  test('diagnoseMysql finds a clock that differs from that of this host', async () => {
    for (const [aheadMs, said] of [
      [60_000, /60\.\d s behind|59\.\d s behind/],
      [-3_600_000, /3[56]\d\d\.\d s ahead of/],
    ] as const) {
      const findings = await findingsOf(cluster(), { now: () => Date.now() + aheadMs });
      assert.match(find(findings, 'mysql.clock').what, said);
    }
  });

  test('diagnoseMysql finds a disk that is almost full, on this host', async () => {
    const space = (freeBytes: number, totalBytes: number) =>
      findingsOf(cluster(), { freeSpace: async () => ({ freeBytes, totalBytes }) });
    assert.match(find(await space(2 ** 29, 2 ** 32), 'mysql.space').what, /512 MiB of 4096 MiB/);
    assert.match(find(await space(2 ** 34, 2 ** 40), 'mysql.space').what, /16 GiB of 1024 GiB/);
    assert.ok(!(await space(2 ** 38, 2 ** 40)).some(({ code }) => code === 'mysql.space'));
  });

  test('diagnoseMysql says why a server cannot be reached, and that the store cannot be used', async () => {
    const login = find(await findingsOf(as('mailproc', 'wrong')), 'mysql.login');
    assert.equal(login.weight, 'unreachable');
    assert.match(login.what, /does not accept this user and password.*user mailproc/);
    const closed = { ...server.server('closed'), port: 1 };
    const gone = settings([dataHost('h', [server])]);
    const host = dataHost('h', [server]);
    const unreachable = await findingsOf({
      ...gone,
      dataHosts: [{ ...host, writeHosts: [{ server: closed, readHosts: [] }] }],
    });
    assert.equal(find(unreachable, 'mysql.unreachable').weight, 'unreachable');
    assert.match(find(unreachable, 'mysql.unreachable').what, /nobody listens there/);
  });

  test('diagnoseMysql tries the rights of the user, and leaves nothing behind', async () => {
    await statements(
      server,
      `DROP USER IF EXISTS few@'127.0.0.1'; CREATE USER few@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, INSERT, CREATE, DROP ON smtp_database.* TO few@'127.0.0.1'`,
    );
    const findings = await findingsOf(as('few', 'p'));
    assert.match(find(findings, 'mysql.rights').what, /cannot UPDATE, DELETE, CREATE VIEW there/);
    assert.match(find(findings, 'mysql.database-missing').what, /the user may not create it/);
    const connection = await server.connect({ asRoot: true });
    const [left] = await connection.query(
      `SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'mailproc\\_doctor%'`,
    );
    connection.destroy();
    assert.deepEqual(left, []);
  });

  test('diagnoseMysql tries the rights on a table that is there where none may be made', async () => {
    await statements(
      server,
      `DROP USER IF EXISTS reader@'127.0.0.1'; CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, DROP ON smtp_database.* TO reader@'127.0.0.1'`,
    );
    const { what } = find(await findingsOf(as('reader', 'p')), 'mysql.rights');
    assert.match(what, /cannot CREATE, INSERT, UPDATE, DELETE there/);
  });

  const tables: readonly (readonly [what: string, sql: string, code: string, said: RegExp])[] = [
    [
      'a table without transactions',
      'ALTER TABLE smtp_2022_01_28 ENGINE = MyISAM',
      'mysql.table-engine',
      /MyISAM/,
    ],
    [
      'a table of latin1',
      'ALTER TABLE smtp_2022_01_28 MODIFY mail_subject varchar(999) CHARACTER SET latin1',
      'mysql.table-charset',
      /latin1/,
    ],
    [
      'a table without a column',
      'ALTER TABLE smtp_2022_01_28 DROP COLUMN x_mail',
      'mysql.table-columns',
      /no column x_mail/,
    ],
    [
      'a table the view of its month lacks',
      'CREATE TABLE smtp_2022_01_29 LIKE smtp_2022_01_28',
      'mysql.view',
      /does not show it/,
    ],
    [
      'a view whose day was dropped',
      'CREATE TABLE smtp_2022_02_03 LIKE smtp_2022_01_28; CREATE VIEW smtp_2022_02 AS SELECT id FROM smtp_2022_02_03; DROP TABLE smtp_2022_02_03',
      'mysql.view-broken',
      /smtp_2022_02_03 was dropped/,
    ],
    [
      'a move between data nodes that was not finished',
      `INSERT INTO mailproc_place VALUES ('0123456789abcdef', '2022-01-29', 1, '2022-01-28')`,
      'mysql.move-unfinished',
      /^1 mails on their way from 2022-01-28 to 2022-01-29/,
    ],
    [
      'a sequence that is behind',
      `UPDATE MYCAT_SEQUENCE SET current_value = -99`,
      'mysql.sequence-behind',
      /next id is 1, .* ids up to \d+/,
    ],
    [
      'a sequence that stands still',
      `UPDATE MYCAT_SEQUENCE SET increment = 0`,
      'mysql.sequence',
      /increment is 0/,
    ],
    [
      'a sequence below 1',
      `UPDATE MYCAT_SEQUENCE SET current_value = -500`,
      'mysql.sequence',
      /begin at -400/,
    ],
    [
      'a sequence near its end',
      `UPDATE MYCAT_SEQUENCE SET current_value = 2147000000`,
      'mysql.sequence',
      /483647 ids .* left/,
    ],
    ['a sequence without its row', 'DELETE FROM MYCAT_SEQUENCE', 'mysql.sequence-missing', /no row/],
    [
      'a sequence without its table',
      'DROP TABLE MYCAT_SEQUENCE',
      'mysql.sequence-missing',
      /MYCAT_SEQUENCE is missing/,
    ],
    [
      'a capture without an entry',
      `DELETE FROM mailproc_ledger WHERE day = '2022-01-28'`,
      'mysql.captures-unfinished',
      /rows, but no entry/,
    ],
    [
      'a day without table and entry',
      `DELETE FROM mailproc_ledger WHERE day = '2022-01-29'`,
      'mysql.days-missing',
      /2022-01-29/,
    ],
    [
      'days between a day with a table and one of another month that was read',
      `UPDATE mailproc_ledger SET day = '2022-02-01' WHERE day = '2022-01-29'`,
      'mysql.days-missing',
      /for 2022-01-29, 2022-01-31$/,
    ],
  ];
  for (const [what, sql, code, said] of tables) {
    test(`diagnoseMysql finds ${what}`, async () => {
      const own = await filled();
      const bad = (findings: readonly Finding[]) =>
        problems(findings).filter((each) => each.code !== 'mysql.binlog-filter');
      assert.deepEqual(bad(await findingsOf(own.cluster)), []);
      await statements(server, sql, own.database);
      const findings = await findingsOf(own.cluster);
      assert.equal(find(findings, code).weight, 'problem');
      assert.match(find(findings, code).what, said);
    });
  }

  test('diagnoseMysql tells of utf8 and of an event that sets the sequence back as notes', async () => {
    const own = await filled();
    await statements(
      server,
      `ALTER TABLE smtp_2022_01_28 CONVERT TO CHARACTER SET utf8;
       CREATE EVENT daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO UPDATE MYCAT_SEQUENCE SET current_value = -99;
       UPDATE MYCAT_SEQUENCE SET current_value = -99`,
      own.database,
    );
    const findings = await findingsOf(own.cluster);
    assert.equal(find(findings, 'mysql.table-utf8').weight, 'note');
    assert.equal(find(findings, 'mysql.sequence-behind').weight, 'note');
    assert.match(find(findings, 'mysql.sequence-behind').what, /the event daily sets it back/);
  });

  test('diagnoseMysql finds ids that are too narrow for a sequence of 63 bits', async () => {
    const own = await filled();
    const timed: ClusterSettings = { ...own.cluster, sequence: { kind: 'time', datacenter: 0, worker: 0 } };
    const { about, remedy } = find(await findingsOf(timed), 'mysql.id-too-narrow');
    assert.match(about, /table smtp_2022_01_28, table smtp_2022_01_30/);
    assert.match(remedy, /MODIFY id bigint/);
  });

  test('diagnoseMysql tells leases of runs at work from those left by dead ones', async () => {
    const own = await filled();
    const lease = (endsMs: number) =>
      statements(
        server,
        `REPLACE INTO mailproc_lease (capture_key, owner, epoch, ends_ms) VALUES (UNHEX(LEFT(SHA2('${endsMs}', 256), 32)), 'somebody', 1, ${endsMs})`,
        own.database,
      );
    await lease(1000);
    assert.match(find(await findingsOf(own.cluster), 'mysql.leases-left').what, /^1 leases/);
    await lease(Date.now() + 600_000);
    assert.equal(find(await findingsOf(own.cluster), 'mysql.leases-live').weight, 'note');
  });

  test('diagnoseMysql tells of days that the configuration has no place for', async () => {
    const own = cluster();
    const { shardOf } = own.shardMap;
    const { MailprocError } = await import('../../../src/core/errors.ts');
    const shardMap = {
      ...own.shardMap,
      shardOf(protocol: Parameters<typeof shardOf>[0], day: string) {
        if (protocol === 'imap' && day >= '2026-02-01') throw new MailprocError('config.no-shard', 'none');
        return shardOf(protocol, day);
      },
    };
    const now = () => Date.UTC(2026, 0, 30);
    const { what } = find(await findingsOf({ ...own, shardMap }, { now }), 'mysql.no-place');
    assert.match(what, /no table for imap on 2026-02-01/);
  });

  function as(user: string, password: string): ClusterSettings {
    const host = dataHost('h', [server]);
    const writeHosts = host.writeHosts.map((each) => ({
      ...each,
      server: { ...each.server, user, password },
    }));
    return settings([{ ...host, writeHosts }]);
  }
}

/** Rights that the active master gives and others do not. */
async function narrowedFound(
  [first, second]: readonly [MariadbServer, MariadbServer],
  replica: MariadbServer,
  host: ClusterSettings['dataHosts'][number],
): Promise<void> {
  const narrowed = (each: ClusterSettings['dataHosts'][number]['writeHosts'][number]['server']) => ({
    ...each,
    user: 'narrow',
    password: 'p',
  });
  const writeHosts = host.writeHosts.map(({ server, readHosts }) => ({
    server: narrowed(server),
    readHosts: readHosts.map((each) => ({ ...each, server: narrowed(each.server) })),
  }));
  const cluster = settings([{ ...host, writeHosts }]);
  const grants = ['smtp', 'pop3', 'imap'].map(
    (name) => `GRANT ALL ON ${name}_database.* TO narrow@'127.0.0.1'`,
  );
  await statements(
    first,
    [
      `CREATE USER narrow@'127.0.0.1' IDENTIFIED BY 'p'`,
      `GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO narrow@'127.0.0.1'`,
      ...grants,
    ].join('; '),
  );
  const rights = async () => (await findingsOf(cluster)).filter(({ code }) => code === 'mysql.rights');
  const everywhere = Date.now() + 20_000;
  while ((await findingsOf(cluster)).some(({ code }) => ['mysql.login', 'mysql.rights'].includes(code))) {
    assert.ok(Date.now() < everywhere, JSON.stringify(await findingsOf(cluster)));
    await sleep(100);
  }
  const here = 'SET SESSION sql_log_bin = 0';
  await statements(second, `${here}; REVOKE UPDATE, CREATE VIEW ON smtp_database.* FROM narrow@'127.0.0.1'`);
  await statements(replica, `${here}; REVOKE ALL ON smtp_database.* FROM narrow@'127.0.0.1'`);
  assert.deepEqual(
    (await rights()).map(({ about, what }) => [about, what.replace(/ there: .*/s, '')]),
    [
      ['hS1-1, database smtp_database', 'the user cannot SELECT'],
      ['hM2, database smtp_database', 'the user cannot UPDATE, CREATE VIEW'],
    ],
  );
}

function withReplication(): void {
  test('diagnoseMysql finds what is wrong between two masters and their replicas', async (context) => {
    const { masters, replicas } = await dualMaster(context);
    const [, second] = masters;
    const [replica] = replicas;
    const host = dataHost('h', masters, { replicas: replicas.map((each) => [each]) });
    const cluster = settings([host]);
    await fill(cluster);
    assert.deepEqual(problems(await findingsOf(cluster)), []);
    const root = (server: MariadbServer, sql: string) => statements(server, sql);
    const finds = async (code: string, said: RegExp, own = cluster): Promise<void> => {
      const finding = find(await findingsOf(own), code);
      assert.match(finding.what, said);
    };

    await root(second, 'SET GLOBAL read_only = ON');
    await finds('mysql.read-only', /as stand-by master: it cannot take over/);
    await root(second, 'SET GLOBAL read_only = OFF');

    await root(second, 'SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_COMMIT');
    await finds('mysql.failover-loss', /AFTER_COMMIT.*overwrite newer rows when it comes back/);
    await root(second, `SET GLOBAL slave_exec_mode = 'STRICT'`);
    assert.equal(find(await findingsOf(cluster), 'mysql.failover-loss').weight, 'note');
    await root(second, 'SET GLOBAL rpl_semi_sync_master_enabled = OFF');
    await finds('mysql.failover-loss', /waits for no stand-by before it acknowledges/);
    await root(
      second,
      `SET GLOBAL rpl_semi_sync_master_enabled = ON; SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC;
        SET GLOBAL slave_exec_mode = 'IDEMPOTENT'`,
    );
    await standByGone(masters, cluster);

    await root(second, 'SET GLOBAL gtid_domain_id = 1');
    await finds('mysql.gtid-domain', /GTIDs of domain 1/);
    await root(second, 'SET GLOBAL gtid_domain_id = 2');

    await root(replica, 'SET GLOBAL server_id = 1');
    await finds('mysql.server-id', /server_id 1/);
    await root(replica, 'SET GLOBAL server_id = 2');

    await root(replica, `STOP SLAVE; SET GLOBAL replicate_do_db = 'imap_database'`);
    await finds('mysql.replication-stopped', /receiving No, applying No/);
    await root(replica, 'START SLAVE');
    await finds(
      'mysql.replication-filter',
      /Replicate_Do_DB = imap_database drops smtp_database, pop3_database/,
    );
    await root(
      replica,
      `STOP SLAVE; SET GLOBAL replicate_do_db = ''; SET GLOBAL replicate_wild_ignore_table = 'smtp\\_%.%'; START SLAVE`,
    );
    await finds('mysql.replication-filter', /Wild_Ignore_Table = .* drops smtp_database:/);
    await root(replica, `STOP SLAVE; SET GLOBAL replicate_wild_ignore_table = ''; START SLAVE`);

    await root(replica, 'SET GLOBAL read_only = OFF');
    assert.equal(find(await findingsOf(cluster), 'mysql.replica-writable').weight, 'note');
    await root(replica, `SET GLOBAL time_zone = '+08:00'`);
    await finds('mysql.time-zones-differ', /same row shows another time/);

    await lagFound(masters[0], replica, cluster);

    const blind = {
      ...host,
      writeHosts: host.writeHosts.map((each) => ({
        ...each,
        server: { ...each.server, user: 'blind', password: 'p' },
      })),
    };
    await root(
      masters[0],
      `CREATE USER blind@'127.0.0.1' IDENTIFIED BY 'p'; GRANT ALL ON smtp_database.* TO blind@'127.0.0.1'`,
    );
    await finds('mysql.replication-hidden', /may not see its replication state/, settings([blind]));
    await narrowedFound(masters, replica, host);

    await root(replica, 'STOP SLAVE; RESET SLAVE ALL');
    await finds('mysql.replication-missing', /named as a replica and follows no master/);
    await replica.kill();
    assert.equal(find(await findingsOf(cluster), 'mysql.unreachable').weight, 'problem');
  });

  /** The stand-by receives nothing, and the active master has stopped waiting for it. */
  async function standByGone(masters: readonly MariadbServer[], cluster: ClusterSettings): Promise<void> {
    const [active, standBy] = masters;
    assert.ok(active && standBy);
    await statements(standBy, 'STOP SLAVE IO_THREAD');
    await statements(active, 'CREATE DATABASE nobody_answers');
    assert.equal(find(await findingsOf(cluster), 'mysql.semi-sync-off').weight, 'problem');
    await statements(standBy, 'START SLAVE IO_THREAD');
    for (let tries = 0; problems(await findingsOf(cluster)).length > 0; tries++) {
      assert.ok(tries < 200, 'it never goes back');
      await sleep(100);
    }
  }

  /** The replica's tables are locked, so that what it receives waits. */
  async function lagFound(
    master: MariadbServer,
    replica: MariadbServer,
    cluster: ClusterSettings,
  ): Promise<void> {
    const strict = {
      ...cluster,
      dataHosts: cluster.dataHosts.map((each) => ({ ...each, slaveThreshold: 0 })),
    };
    const lock = await replica.connect({ asRoot: true });
    await lock.query('FLUSH TABLES WITH READ LOCK');
    await statements(master, 'CREATE DATABASE other');
    try {
      for (let tries = 0; ; tries++) {
        const lag = (await findingsOf(strict)).find(({ code }) => code === 'mysql.replication-lag');
        if (lag !== undefined) return assert.match(lag.what, /^it is \d+ s behind its master \(at most 0 s/);
        assert.ok(tries < 100, 'the replica never lags');
        await sleep(100);
      }
    } finally {
      lock.destroy();
    }
  }

  test('diagnoseMysql finds a Galera node that has lost its cluster', {
    skip: whyNoGalera(),
  }, async (context) => {
    const [first, second] = await galera(2, context);
    assert.ok(first && second);
    const cluster = settings([dataHost('h', [first, second], { switchType: 3 })]);
    await fill(cluster);
    const well = await findingsOf(cluster);
    assert.deepEqual(problems(well), []);
    assert.match(find(well, 'mysql.galera-size').what, /2 nodes/);
    const careless = settings([dataHost('h', [first, second], { switchType: 1 })]);
    assert.equal(find(await findingsOf(careless), 'mysql.galera-switch-type').weight, 'note');
    await second.kill();
    for (let tries = 0; ; tries++) {
      const findings = await findingsOf(cluster);
      const state = findings.find(({ code }) => code === 'mysql.galera-state');
      if (state !== undefined) {
        assert.match(state.what, /non-Primary/);
        assert.equal(find(findings, 'mysql.unreachable').weight, 'problem');
        return;
      }
      assert.ok(tries < 400, 'the node never notices');
      await sleep(100);
    }
  });
}

test('missingDays lists 31 days in a row, and takes more for a pause', () => {
  const table = (day: string) => ({ name: `smtp_${day.replaceAll('-', '_')}`, day, engine: 'InnoDB' });
  const missing = (last: string) => missingDays([table('2022-01-28'), table(last)], new Set());
  assert.match(missing('2022-03-01')[0]?.what ?? '', /for 2022-01-29, .* and 21 more$/);
  assert.deepEqual(missing('2022-03-02'), []);
});

test('zoneFindings tells a zone with summer time from one that is only elsewhere', () => {
  const post = (name: string, zoneOffsets: readonly number[]): Examined =>
    ({
      server: { name },
      role: 'active master',
      status: {
        zoneOffsets,
        variables: new Map([
          ['time_zone', 'SYSTEM'],
          ['system_time_zone', 'CET'],
        ]),
      },
    }) as unknown as Examined;
  const codes = (posts: readonly Examined[], zone: string) =>
    zoneFindings(posts, zone).map(({ code, weight }) => `${code} ${weight}`);
  const berlin = post('a', [3600, 7200]);
  assert.deepEqual(codes([berlin], 'Asia/Shanghai'), ['mysql.time-zone problem']);
  assert.deepEqual(codes([berlin], 'Europe/Berlin'), []);
  assert.deepEqual(codes([post('a', [0, 0])], 'Asia/Shanghai'), ['mysql.time-zone note']);
  assert.match(zoneFindings([post('a', [0, 0])], 'Asia/Shanghai')[0]?.remedy ?? '', /'\+08:00'/);
  assert.match(zoneFindings([post('a', [0, 0])], 'America/St_Johns')[0]?.remedy ?? '', /'-03:30'/);
  assert.deepEqual(codes([berlin, post('b', [0, 0])], 'Europe/Berlin'), [
    'mysql.time-zones-differ problem',
    'mysql.time-zone note',
  ]);
  assert.deepEqual(codes([], 'UTC'), []);
});

for (const [pattern, name, matches] of [
  ['smtp_database', 'smtp_database', true],
  ['smtp\\_database', 'smtp_database', true],
  ['smtp\\_database', 'smtpxdatabase', false],
  ['smtp%', 'smtp_database', true],
  ['s.*', 's12', false],
  ['%', 'anything', true],
] as const) {
  test(`likePattern ${pattern} and ${name}: ${matches}`, () => {
    assert.equal(likePattern(pattern).test(name), matches);
  });
}

for (const [grant, may] of [
  ["GRANT ALL PRIVILEGES ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*00'", true],
  ['GRANT USAGE ON *.* TO `a`@`%`', false],
  ['GRANT SELECT, CREATE, DROP ON `smtp\\_%`.* TO `a`@`%`', true],
  ['GRANT CREATE VIEW, SHOW VIEW ON `smtp_database`.* TO `a`@`%`', false],
  ['GRANT ALL PRIVILEGES ON `imap_database`.* TO `a`@`%`', false],
  ['GRANT CREATE ON `smtp_database`.`t` TO `a`@`%`', false],
] as const) {
  test(`mayCreate of ${grant.slice(0, 60)}: ${may}`, () => {
    assert.equal(mayDo([grant], 'CREATE', 'smtp_database'), may);
  });
}
