import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { type MariadbServer, mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { ledgerSuite } from '../ledger-suite.ts';
import { sinkSuite } from '../sink-suite.ts';
import { allRows, CountingIds, dataHost, settings } from './clusters.ts';

const reason = whyNoMariadb();
if (reason !== undefined) test('MysqlSink', { skip: reason }, () => {});
else suites();

function suites(): void {
  const targets = [
    { schema: 'documented', mode: '', fitted: documented },
    {
      schema: 'wide',
      mode: 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ONLY_FULL_GROUP_BY,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH',
      fitted: wide,
    },
  ] as const;
  let servers: readonly MariadbServer[] = [];
  before(async () => {
    servers = await Promise.all(targets.map(({ mode }) => mariadbServer(undefined, [`--sql-mode=${mode}`])));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.remove()));
  });
  let count = 0;
  for (const [index, { schema, mode, fitted }] of targets.entries()) {
    const name = `MysqlSink (${schema} tables, sql_mode '${mode.slice(0, 17)}')`;
    const create = () => {
      const server = servers[index];
      assert.ok(server);
      const prefix = `t${++count}_`;
      const ids = new CountingIds();
      return {
        sink: () => new MysqlSink(settings([dataHost('h', [server])], { schema, prefix }), { ids }),
        rows: () => allRows(server, prefix),
        expireLeases: async () => {
          const connection = await server.connect({ database: `${prefix}smtp_database` });
          await connection.query('UPDATE mailproc_lease SET ends_ms = 1 WHERE ends_ms > 0');
          connection.destroy();
        },
      };
    };
    ledgerSuite(name, create);
    sinkSuite(name, create, { second: 'shared', reopens: true, fitted });
  }
}

const widths = {
  wide: { mail_subject: 4000, mail_content: Number.POSITIVE_INFINITY, mail_from: 998, file_path: 4096 },
  documented: { mail_subject: 1000, mail_content: 10_000, mail_from: 50, file_path: 200 },
};

function wide(column: keyof typeof widths.wide, text: string): string {
  return text.slice(0, widths.wide[column]);
}

function documented(column: keyof typeof widths.wide, text: string): string {
  return text.replace(/[\u{10000}-\u{10FFFF}]/gu, '\uFFFD').slice(0, widths.documented[column]);
}
