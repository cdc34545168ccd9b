/** Logging in as an operator would name it: over TLS with an authority of one's own, over a socket. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStore } from '../../../src/store/open-store.ts';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../../support/mariadb.ts';
import { runMailproc } from '../../support/run-mailproc.ts';
import { day, sampleRecord } from '../samples.ts';

const options = { skip: whyNoMariadb() ?? false };
const environment = { MAILPROC_MYSQL_PASSWORD: testUser.password };

interface Certificates {
  readonly folder: string;
  readonly serverArguments: readonly string[];
  readonly ca: string;
  /** Of an authority of the same name that has signed nothing here. */
  readonly otherCa: string;
}

/** `names`: of the server, as openssl writes them. Readable by the server's user. */
function certificates(context: TestContext, names: string): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'mailproc-tls-'));
  context.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const openssl = (...argv: string[]) => execFileSync('openssl', argv, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'other-ca']) {
    const files = ['-keyout', `${name}-key.pem`, '-out', `${name}.pem`];
    openssl('req', '-x509', ...key, ...files, '-days', '2', '-subj', '/CN=Test authority');
  }
  openssl('req', ...key, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=db.example');
  writeFileSync(join(folder, 'names'), `subjectAltName=${names}\n`);
  const signer = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    'request.pem',
    ...signer,
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    'cert.pem',
  );
  chmodSync(join(folder, 'key.pem'), 0o644);
  const path = (name: string): string => join(folder, name);
  return {
    folder,
    serverArguments: [
      `--ssl-ca=${path('ca.pem')}`,
      `--ssl-cert=${path('cert.pem')}`,
      `--ssl-key=${path('key.pem')}`,
    ],
    ca: path('ca.pem'),
    otherCa: path('other-ca.pem'),
  };
}

/** A user that may log in over TLS alone. */
async function tlsServer(context: TestContext, { serverArguments }: Certificates): Promise<MariadbServer> {
  const server = await mariadbServer(context, serverArguments);
  const root = await server.connect({ asRoot: true });
  await root.query(`ALTER USER mailproc@'127.0.0.1' REQUIRE SSL`);
  root.destroy();
  return server;
}

async function write(url: string): Promise<number> {
  const sink = await openStore(url, { environment });
  await sink.open();
  try {
    await sink.write([sampleRecord(1)]);
    return (await sink.tables(day))[0]?.rows ?? 0;
  } finally {
    await sink.close();
  }
}

test(
  'a mysql:// store checks the certificate of its server, or does not where it is told so',
  options,
  async (context) => {
    const made = certificates(context, 'IP:127.0.0.1');
    const server = await tlsServer(context, made);
    const url = `mysql://${testUser.user}@127.0.0.1:${server.port}`;
    assert.equal(await write(`${url}?ca=${made.ca}`), 1);
    assert.equal(await write(`${url}?tls=verify&ca=${made.ca}`), 1);
    assert.equal(await write(`${url}?tls=required`), 1);
    // The user is one of TLS alone: without it nobody gets in.
    await assert.rejects(write(url), { code: 'store.access-denied' });
    await assert.rejects(
      write(`${url}?ca=${made.otherCa}`),
      (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'store.tls');
        assert.match(error.message, /no TLS connection \(.*(?:certificate|signature)/);
        assert.match(error.hint, /^give the CA that signed the server certificate/);
        return true;
      },
    );
    // Nobody but the system's authorities.
    await assert.rejects(write(`${url}?tls=verify`), { code: 'store.tls' });
  },
);

test('a mysql:// store refuses a server whose certificate is of another name', options, async (context) => {
  const made = certificates(context, 'DNS:db.example,DNS:localhost,IP:192.0.2.7');
  const server = await tlsServer(context, made);
  const url = `mysql://${testUser.user}@127.0.0.1:${server.port}`;
  await assert.rejects(write(`${url}?ca=${made.ca}`), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, 'store.tls');
    assert.match(error.message, /127\.0\.0\.1/);
    assert.match(error.hint, /^name the host as its certificate does/);
    return true;
  });
  assert.equal(await write(`${url}?tls=required`), 1);
});

test('a mysql:// store does not go on in plain text with a server without TLS', options, async (context) => {
  const server = await mariadbServer(context);
  const url = `mysql://${testUser.user}@127.0.0.1:${server.port}`;
  await assert.rejects(write(`${url}?tls=required`), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, 'store.tls');
    assert.match(error.hint, /^switch TLS on in the server/);
    return true;
  });
});

test('mailproc says why TLS failed in one line, with what to do', options, async (context) => {
  const made = certificates(context, 'IP:127.0.0.1');
  const server = await tlsServer(context, made);
  const password = join(made.folder, 'password');
  writeFileSync(password, `${testUser.password}\n`);
  const store = (ca: string) =>
    `mysql://${testUser.user}@127.0.0.1:${server.port}?password-file=${password}&ca=${ca}`;
  const good = await runMailproc(made.folder, 'doctor', '--store', store(made.ca));
  assert.match(good.stdout, /active master of data host mysql: .*, logged in as mailproc/);
  const bad = await runMailproc(made.folder, 'doctor', '--store', store(made.otherCa));
  assert.equal(bad.status, 1);
  assert.match(`${bad.stdout}${bad.stderr}`, /no TLS connection/);
  assert.match(`${bad.stdout}${bad.stderr}`, /give the CA that signed the server certificate/);
  assert.ok(!`${bad.stdout}${bad.stderr}`.includes(readFileSync(password, 'utf8').trim()));
});

test('a mysql:// store logs in over a Unix socket', options, async (context) => {
  const server = await mariadbServer(context);
  const root = await server.connect({ asRoot: true });
  await root.query(
    `CREATE USER local@localhost IDENTIFIED BY 'test''secret'; GRANT ALL ON *.* TO local@localhost`,
  );
  root.destroy();
  assert.equal(await write(`mysql://local@?socket=${server.socketPath}`), 1);
  await assert.rejects(write(`mysql://nobody-here@?socket=${server.socketPath}`), {
    code: 'store.access-denied',
  });
  await assert.rejects(write(`mysql://local@?socket=${server.socketPath}.gone`), (error: Error) => {
    assert.match(error.message, /there is no such socket/);
    return true;
  });
});
