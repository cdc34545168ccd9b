/** `verify` and `doctor`, and MySQL stores, as an operator runs them. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Libsql from 'libsql';
import type { Diagnosis } from '../../src/pipeline/doctor.ts';
import type { Report } from '../../src/pipeline/report.ts';
import type { Verification } from '../../src/pipeline/verify.ts';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../support/mariadb.ts';
import { projectRoot } from '../support/project.ts';
import { inTemporaryFolder, runMailproc, sampleDay } from '../support/run-mailproc.ts';

let pattern = '';
before(async () => {
  pattern = mkdtempSync(join(tmpdir(), 'mailproc-test-'));
  const { status, stderr } = await runMailproc(pattern, sampleDay, '20220128', '--quiet');
  assert.equal(status, 0, stderr);
});
after(() => rmSync(pattern, { recursive: true, force: true }));

/** A sample day in `mailproc.sqlite` of `folder`, changed by `sql`. */
function sampleStore(folder: string, sql = ''): void {
  const path = join(folder, 'mailproc.sqlite');
  copyFileSync(join(pattern, 'mailproc.sqlite'), path);
  const database = new Libsql(path);
  database.exec(sql);
  database.close();
}

test('mailproc verify of a store that is whole says so in one line and exits with 0', () =>
  inTemporaryFolder(async (folder) => {
    sampleStore(folder);
    const all = await runMailproc(folder, 'verify');
    assert.deepEqual(all, {
      status: 0,
      stdout: 'sqlite:mailproc.sqlite: ledger and tables agree (91 rows in 3 tables of 1 day, 5 captures)\n',
      stderr: '',
    });
    assert.deepEqual(await runMailproc(folder, 'verify', '20220128'), all);
    const other = await runMailproc(folder, 'verify', '20220129', '--json');
    assert.equal(other.status, 0);
    const { days, rows, differences } = JSON.parse(other.stdout) as Verification;
    assert.deepEqual([days, rows, differences], [['2022-01-29'], 0, []]);
  }));

const smtp = 'smtp_2022_01_28';
const damages: readonly (readonly [what: string, sql: string, differences: number, said: RegExp])[] = [
  [
    'a row that is gone',
    `DELETE FROM ${smtp} WHERE id = (SELECT min(id) FROM ${smtp})`,
    1,
    /smtp_2022_01_28 {2}.*: \d+ written, \d+ found/,
  ],
  [
    'a row that is there twice',
    `INSERT INTO ${smtp} (id, timestamp, file_path) SELECT 999999, timestamp, file_path FROM ${smtp} LIMIT 1`,
    1,
    /written/,
  ],
  [
    'rows of a capture nobody read',
    `UPDATE ${smtp} SET file_path = 'other.pcapng' WHERE id = (SELECT min(id) FROM ${smtp})`,
    2,
    /other\.pcapng: 0 written, 1 found/,
  ],
  ['a table that is gone', `DROP VIEW smtp_2022_01; DROP TABLE ${smtp}`, 3, /written, 0 found/],
];
for (const [what, sql, differences, said] of damages) {
  test(`mailproc verify finds ${what}, lists it, and exits with 3`, () =>
    inTemporaryFolder(async (folder) => {
      sampleStore(folder, sql);
      const text = await runMailproc(folder, 'verify');
      assert.equal(text.status, 3);
      assert.match(text.stdout, /ledger and tables differ/);
      assert.match(text.stdout, said);
      assert.match(text.stdout, /--reprocess/);
      const { stdout, status } = await runMailproc(folder, 'verify', '--json');
      const verification = JSON.parse(stdout) as Verification;
      assert.equal(status, 3);
      assert.equal(verification.differences.length, differences, stdout);
      for (const { day, written, found } of verification.differences) {
        assert.equal(day, '2022-01-28');
        assert.notEqual(written, found);
      }
    }));
}

test('mailproc verify and doctor with --quiet say only why they exit with 3', () =>
  inTemporaryFolder(async (folder) => {
    sampleStore(folder);
    for (const command of ['verify', 'doctor']) {
      assert.deepEqual(await runMailproc(folder, command, '--quiet'), { status: 0, stdout: '', stderr: '' });
    }
    sampleStore(folder, `DROP VIEW smtp_2022_01; DROP TABLE ${smtp}`);
    const verify = await runMailproc(folder, 'verify', '--quiet');
    assert.deepEqual([verify.status, verify.stdout], [3, '']);
    assert.match(
      verify.stderr,
      /^mailproc: .*ledger and tables differ: smtp_2022_01_28, .* 0 found, and 2 more\n$/,
    );
    const doctor = await runMailproc(folder, 'doctor', '--quiet');
    assert.deepEqual([doctor.status, doctor.stdout], [3, '']);
    assert.match(doctor.stderr, /^(?:mailproc: [^\n]+\n)+$/);
  }));

test('mailproc verify names rows that no run has written, and exits with 0', () =>
  inTemporaryFolder(async (folder) => {
    sampleStore(folder, `INSERT INTO ${smtp} (id, timestamp) VALUES (999999, '2022-01-28 00:00:00')`);
    const { status, stdout } = await runMailproc(folder, 'verify');
    assert.equal(status, 0);
    assert.match(stdout, /besides, 1 row of smtp_2022_01_28 that no run has written/);
  }));

test('mailproc verify and doctor of a store that is not there say so and make none', () =>
  inTemporaryFolder(async (folder) => {
    const verify = await runMailproc(folder, 'verify');
    assert.equal(verify.status, 1);
    assert.match(verify.stderr, /mailproc\.sqlite: there is no such file/);
    const doctor = await runMailproc(folder, 'doctor');
    assert.equal(doctor.status, 1);
    assert.match(doctor.stdout, /there is no such file/);
    assert.deepEqual(readdirSync(folder), []);
  }));

test('mailproc verify and doctor of lines say that these cannot be examined and exit with 2', () =>
  inTemporaryFolder(async (folder) => {
    for (const command of ['verify', 'doctor']) {
      const { status, stderr } = await runMailproc(folder, command, '--store', 'ndjson:x');
      assert.equal(status, 2, command);
      assert.match(stderr, /sqlite:FILE, mysql:\/\//);
    }
    const date = await runMailproc(folder, 'verify', 'yesterday');
    assert.equal(date.status, 2);
    assert.match(date.stderr, /read date "yesterday"/);
  }));

test('mailproc doctor finds nothing wrong with a SQLite store that is well, and changes nothing', () =>
  inTemporaryFolder(async (folder) => {
    sampleStore(folder);
    const path = join(folder, 'mailproc.sqlite');
    const before = readFileSync(path);
    const { status, stdout } = await runMailproc(folder, 'doctor');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /3 day tables/);
    assert.match(stdout, /nothing is wrong/);
    assert.ok(before.equals(readFileSync(path)));
  }));

const sick: readonly (readonly [
  what: string,
  spoil: (path: string) => void,
  status: number,
  code: string,
])[] = [
  ['a file that others can read', (path) => chmodSync(path, 0o644), 3, 'sqlite.mode'],
  ['a file that was cut', (path) => truncateSync(path, statSync(path).size >> 1), 1, 'sqlite.unreadable'],
  ['a file with octets lost', loseOctets, 3, 'sqlite.integrity'],
  ['a file that is none of SQLite', (path) => writeFileSync(path, 'a letter'), 1, 'sqlite.unreadable'],
  ['a log that was left behind', (path) => writeFileSync(`${path}-wal`, 'x'), 0, 'sqlite.wal'],
  ['an empty file', (path) => truncateSync(path), 0, 'sqlite.empty'],
];
/** Ten pages at the end. */
function loseOctets(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(40_960), 0, 40_960, statSync(path).size - 40_960);
  closeSync(file);
}

for (const [what, spoil, expected, code] of sick) {
  test(`mailproc doctor finds ${what} and exits with ${expected}`, () =>
    inTemporaryFolder(async (folder) => {
      sampleStore(folder);
      spoil(join(folder, 'mailproc.sqlite'));
      const { status, stdout } = await runMailproc(folder, 'doctor', '--json');
      const { findings } = JSON.parse(stdout) as Diagnosis;
      assert.ok(
        findings.some((finding) => finding.code === code),
        stdout,
      );
      assert.equal(status, expected, stdout);
    }));
}

for (const [what, sql, code] of [
  ['a capture without an entry', 'DELETE FROM mailproc_ledger', 'sqlite.captures-unfinished'],
  ['a table that is gone', `DROP VIEW smtp_2022_01; DROP TABLE ${smtp}`, 'sqlite.tables-missing'],
] as const) {
  test(`mailproc doctor finds ${what} in a SQLite store`, () =>
    inTemporaryFolder(async (folder) => {
      sampleStore(folder, sql);
      const { status, stdout } = await runMailproc(folder, 'doctor', '--json');
      assert.equal(status, 3);
      assert.ok(
        (JSON.parse(stdout) as Diagnosis).findings.some((finding) => finding.code === code),
        stdout,
      );
    }));
}

const skip = whyNoMariadb();
if (skip === undefined) withServer();
else test('mailproc --store mysql://…', { skip }, () => {});

function withServer(): void {
  let server: MariadbServer;
  let databases = 0;
  before(async () => {
    server = await mariadbServer();
    process.env['MAILPROC_MYSQL_PASSWORD'] = testUser.password;
  });
  after(() => server.remove());

  const address = (): string => `mysql://${testUser.user}@127.0.0.1:${server.port}`;
  const ownDatabase = (): string => `d${++databases}`;
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const connection = await server.connect({ asRoot: true });
    try {
      const [rows] = await connection.query(sql);
      return rows as Record<string, unknown>[];
    } finally {
      connection.destroy();
    }
  };

  test('mailproc reads the sample day into MySQL, lists it, and verify finds what was changed by hand', () =>
    inTemporaryFolder(async (folder) => {
      const store = ['--store', `${address()}/${ownDatabase()}`, '--timezone', 'Asia/Shanghai'];
      const early = await runMailproc(folder, 'verify', ...store);
      assert.equal(early.status, 1);
      assert.match(early.stderr, /no run has stored anything there/);
      assert.deepEqual(await query(`SHOW DATABASES LIKE 'd${databases}'`), [], 'looking makes nothing');

      const first = await runMailproc(folder, sampleDay, '20220128', ...store);
      assert.equal(first.status, 0, first.stderr);
      assert.match(first.stdout, /imap_2022_01_28 {2}37 rows/);
      const again = await runMailproc(folder, sampleDay, '20220128', ...store, '--json');
      const { captures, mails } = JSON.parse(again.stdout) as Report;
      assert.equal(captures.unchanged, 5);
      assert.equal(mails.imap.seen, 0);
      const list = await runMailproc(folder, 'list', '20220128', ...store);
      assert.match(list.stdout, /the first 10 of 91 rows[\s\S]*三月份采购合同及报价单/);
      const [row] = await query(
        `SELECT * FROM d${databases}.imap_2022_01 WHERE mail_subject LIKE '三月份%' LIMIT 1`,
      );
      assert.equal(Object.keys(row ?? {}).length, 20, 'the documented columns and no other');
      assert.match(String(row?.['mail_content']), /各位同事/);

      const whole = await runMailproc(folder, 'verify', ...store);
      assert.deepEqual(
        [whole.status, /agree \(91 rows in 3 tables/.test(whole.stdout)],
        [0, true],
        whole.stdout,
      );
      await query(`DELETE FROM d${databases}.pop3_2022_01_28 ORDER BY id LIMIT 2`);
      await query(`DROP TABLE d${databases}.smtp_2022_01_28`);
      const differing = await runMailproc(folder, 'verify', '20220128', ...store, '--json');
      const { differences } = JSON.parse(differing.stdout) as Verification;
      assert.equal(differing.status, 3);
      const lost = (table: string): number =>
        differences
          .filter((each) => each.table === table)
          .reduce((sum, { written, found }) => sum + written - found, 0);
      assert.deepEqual([lost('pop3_2022_01_28'), lost('smtp_2022_01_28')], [2, 29]);
    }));

  for (const schema of ['wide', 'documented'] as const) {
    test(`mailproc writes an emoji into ${schema} tables of MySQL, and counts what they cannot hold`, () =>
      inTemporaryFolder(async (folder) => {
        const store = ['--store', `${address()}/${ownDatabase()}?schema=${schema}`];
        const { status, stdout, stderr } = await runMailproc(
          folder,
          sampleDay,
          '20220128',
          ...store,
          '--json',
        );
        assert.equal(status, 0, stderr);
        const report = JSON.parse(stdout) as Report;
        const rows = await query(
          `SELECT HEX(CONVERT(mail_subject USING utf8mb4)) AS hex FROM d${databases}.smtp_2022_01_28 WHERE mail_subject LIKE '请查收%'`,
        );
        assert.ok(rows.length > 0);
        const tail = Buffer.from(schema === 'wide' ? '𠮷' : '\uFFFD')
          .toString('hex')
          .toUpperCase();
        assert.ok(
          rows.some(({ hex }) => String(hex).endsWith(tail)),
          JSON.stringify(rows),
        );
        const cuts = report.anomalies['record.value-cut'] ?? 0;
        assert.equal(cuts > 0, schema === 'documented');
        const told = report.notices.filter(({ code }) => code === 'record.value-cut').length;
        assert.equal(told > 0, schema === 'documented');
        assert.equal(
          /record\.value-cut: smtp_2022_01_28\.mail_subject/.test(stderr),
          schema === 'documented',
          stderr,
        );
      }));
  }

  test('mailproc writes into the data nodes of a MyCat directory, and warns of what is odd in it', () =>
    inTemporaryFolder(async (folder) => {
      const [one, two] = [ownDatabase(), ownDatabase()];
      cpSync(join(projectRoot, 'test/store/mysql/config/samples/seed'), join(folder, 'conf'), {
        recursive: true,
      });
      rmSync(join(folder, 'conf/dnindex.properties'));
      writeFileSync(
        join(folder, 'conf/schema.xml'),
        `<mycat:schema xmlns:mycat="http://io.mycat/">
          <schema name="mail" dataNode="dn0">
            <table name="imap_2022_01" dataNode="dn1" subTables="imap_2022_01_$27-29" rule="sharding-by-date"/>
          </schema>
          <dataNode name="dn0" dataHost="h" database="${one}"/>
          <dataNode name="dn1" dataHost="h" database="${two}"/>
          <dataHost name="h" dbType="mysql" dbDriver="native" switchType="-1">
            <heartbeat>select user()</heartbeat>
            <writeHost host="m" url="127.0.0.1:${server.port}" user="${testUser.user}" password="${testUser.password}"/>
          </dataHost>
        </mycat:schema>`,
      );
      const store = ['--store', 'mycat:conf?schema=documented'];
      const run = await runMailproc(folder, sampleDay, '20220128', ...store);
      assert.equal(run.status, 0, run.stderr);
      assert.equal(run.stderr.match(/warning: .*sPartionDay/g)?.length, 1, run.stderr);
      const [imap] = await query(`SELECT COUNT(*) AS total FROM ${two}.imap_2022_01_28`);
      assert.equal(Number(imap?.['total']), 37);
      const [others] = await query(
        `SELECT (SELECT COUNT(*) FROM ${one}.smtp_2022_01_28) + (SELECT COUNT(*) FROM ${one}.pop3_2022_01_28) AS total`,
      );
      assert.equal(Number(others?.['total']), 54);
      const verify = await runMailproc(folder, 'verify', ...store);
      assert.equal(verify.status, 0, verify.stdout);
      const doctor = await runMailproc(folder, 'doctor', ...store);
      assert.equal(doctor.status, 0, doctor.stdout);
      assert.doesNotMatch(run.stdout + run.stderr + doctor.stdout, /secret/);
    }));

  test('mailproc says nowhere what the password is', () =>
    inTemporaryFolder(async (folder) => {
      const secret = encodeURIComponent(testUser.password).replaceAll("'", '%27');
      const store = [
        '--store',
        `mysql://${testUser.user}:${secret}@127.0.0.1:${server.port}/${ownDatabase()}`,
      ];
      const outcomes = [
        await runMailproc(folder, sampleDay, '20220128', ...store, '--verbose'),
        await runMailproc(folder, sampleDay, '20220128', ...store, '--json'),
        await runMailproc(folder, 'list', '20220128', ...store),
        await runMailproc(folder, 'verify', ...store, '--json'),
        await runMailproc(folder, 'doctor', ...store),
        await runMailproc(folder, 'doctor', ...store, '--json'),
        await runMailproc(folder, 'doctor', '--store', `mysql://${testUser.user}:${secret}@127.0.0.1:1`),
      ];
      for (const { stdout, stderr } of outcomes) assert.doesNotMatch(stdout + stderr, /secret/);
      const [first] = outcomes;
      assert.match(first?.stdout ?? '', /rows in +mysql:\/\/mailproc:\*\*\*@127\.0\.0\.1/);
      assert.equal(first?.stderr.match(/warning: the password in .* can be seen/g)?.length, 1, first?.stderr);
    }));

  test('mailproc doctor of servers exits with 0, 3 or 1', () =>
    inTemporaryFolder(async (folder) => {
      const store = ['--store', address()];
      const well = await runMailproc(folder, 'doctor', ...store);
      assert.equal(well.status, 0, well.stdout);
      assert.match(well.stdout, /active master of data host mysql[\s\S]*nothing is wrong/);
      await query('SET GLOBAL read_only = ON');
      const sickly = await runMailproc(folder, 'doctor', ...store);
      await query('SET GLOBAL read_only = OFF');
      assert.equal(sickly.status, 3);
      assert.match(
        sickly.stdout,
        /PROBLEM {2}127\.0\.0\.1:\d+: it is read-only[\s\S]*-> SET GLOBAL read_only = OFF[\s\S]*\n1 problem/,
      );
      const gone = await runMailproc(
        folder,
        'doctor',
        '--store',
        `mysql://${testUser.user}@127.0.0.1:1`,
        '--json',
      );
      assert.equal(gone.status, 1);
      assert.deepEqual(
        (JSON.parse(gone.stdout) as Diagnosis).findings.map(({ code }) => code),
        ['mysql.unreachable'],
      );
    }));
}
