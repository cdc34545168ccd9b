/**
 * A run of its own, to be killed: `writer.js PORT[,PORT …] MAILS [SWITCH_TYPE]`. Writes mails 1 to MAILS, those
 * of even numbers once in part before; tells its parent when it has begun to write.
 */
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../../src/store/mysql/types.ts';
import { testUser } from '../../support/mariadb.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

const [ports = '', mails = '0', switchType = '1'] = process.argv.slice(2);
const host: DataHost = {
  ...dataHost('h', [], { switchType: Number(switchType) as DataHost['switchType'] }),
  writeHosts: ports.split(',').map((port, index) => ({
    server: {
      name: `hM${index + 1}`,
      host: '127.0.0.1',
      port: Number(port),
      socketPath: undefined,
      tls: undefined,
      ...testUser,
    },
    readHosts: [],
  })),
};
const sink = new MysqlSink(settings([host]), {
  report: (code, detail) => process.stderr.write(`${code}: ${detail}\n`),
});
await sink.open();
process.send?.('writing');
for (let first = 1; first <= Number(mails); first += 20) {
  const numbers = Array.from(
    { length: Math.min(20, Number(mails) - first + 1) },
    (_, index) => first + index,
  );
  const protocol = (number: number) => (['smtp', 'imap', 'pop3'] as const)[number % 3] ?? 'smtp';
  const parts = numbers.filter((number) => number % 2 === 0);
  await sink.write(parts.map((number) => incompleteRecord(number, 10, { protocol: protocol(number) })));
  await sink.write(numbers.map((number) => sampleRecord(number, { protocol: protocol(number) })));
}
await sink.close();
process.disconnect?.();
