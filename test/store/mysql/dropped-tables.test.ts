import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { sampleEntry } from '../ledger-suite.ts';
import { day, incompleteRecord, sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

const options = { skip: whyNoMariadb() ?? false };

test(
  'MysqlSink stores the mails of a day again whose table was dropped by hand',
  options,
  async (context) => {
    const server = await mariadbServer(context);
    for (const schema of ['wide', 'documented'] as const) {
      const cluster = settings([dataHost('h', [server])], { schema, prefix: schema });
      const sink = new MysqlSink(cluster);
      const other = {
        columns: { insert_time: '2022-01-29', timestamp: '2022-01-29 00:00:01', file_path: 'b' },
      };
      const records = [sampleRecord(1), sampleRecord(2, other), sampleRecord(3, { protocol: 'imap' })];
      const later = sampleRecord(4, { columns: { file_path: 'c' } });
      await sink.open();
      await sink.write([...records, incompleteRecord(4, 10)]);
      await sink.write([later]);
      const a = sampleEntry('captures/20220128.pcapng');
      const b = sampleEntry('b', { day: '2022-01-29' });
      const c = sampleEntry('c', { day: '2022-01-30' });
      // Brought no mail, but one may begin in it.
      const d = sampleEntry('d');
      await sink.ledger.settle([a, b, c, d]);
      await sink.close();
      const connection = await server.connect();
      await connection.query(`DROP TABLE ${schema}smtp_database.smtp_2022_01_28`);
      connection.destroy();

      const again = new MysqlSink(cluster);
      await again.open();
      const found = await again.ledger.find([a.capture, 'b', 'c', 'd']);
      assert.deepEqual(found, [b], 'captures of that day or with rows in that table are to be read again');
      assert.deepEqual(await again.tables(day), [{ name: 'imap_2022_01_28', rows: 1 }]);
      const shown = await server.connect({ database: `${schema}smtp_database` });
      const [subjects] = await shown.query('SELECT mail_subject FROM smtp_2022_01');
      shown.destroy();
      assert.deepEqual(subjects, [{ mail_subject: 'mail 2' }], 'the view of the month can be read at once');
      assert.deepEqual(await again.ledger.rows(day), await again.ledger.count(day));
      assert.deepEqual(await again.write([...records, later]), { added: 2, replaced: 0, known: 2 });
      assert.deepEqual(await again.ledger.rows(day), await again.ledger.count(day));
      await again.close();
    }
  },
);

test('MysqlSink makes a table anew that is dropped while it writes', options, async (context) => {
  const server = await mariadbServer(context);
  for (const schema of ['wide', 'documented'] as const) {
    const sink = new MysqlSink(settings([dataHost('h', [server])], { schema, prefix: schema }));
    await sink.open();
    await sink.write([sampleRecord(1), sampleRecord(2)]);
    const connection = await server.connect();
    await connection.query(`DROP TABLE ${schema}smtp_database.smtp_2022_01_28`);
    connection.destroy();
    assert.deepEqual(await sink.write([sampleRecord(3)]), { added: 1, replaced: 0, known: 0 });
    assert.deepEqual(await sink.write([sampleRecord(1), sampleRecord(3)]), {
      added: 1,
      replaced: 0,
      known: 1,
    });
    assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
    await sink.close();
  }
});
