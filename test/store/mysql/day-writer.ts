/**
 * A run of its own, to be killed: `day-writer.js PORT[/PORT …] MAILS`. Each mail is written three times, for three
 * days on as many data nodes as there are ports, each time more of it; tells its parent when it has begun.
 */
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { testUser } from '../../support/mariadb.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

const [hosts = '', mails = '0'] = process.argv.slice(2);
const dataHosts = hosts.split('/').map((port, index) => {
  const address = { host: '127.0.0.1', port: Number(port), socketPath: undefined, tls: undefined };
  const server = { name: `h${index}`, ...address, ...testUser };
  return { ...dataHost(`h${index}`, []), writeHosts: [{ server, readHosts: [] }] };
});
const days = ['2022-01-28', '2022-01-29', '2022-02-01'];
const hostOf = (day: string): number => Math.max(0, days.indexOf(day)) % dataHosts.length;
const sink = new MysqlSink(settings(dataHosts, { hostOf }));
await sink.open();
process.send?.('writing');
for (let first = 1; first <= Number(mails); first += 5) {
  const numbers = Array.from({ length: 5 }, (_, index) => first + index);
  for (const [index, insert_time] of days.entries()) {
    const columns = { columns: { insert_time } };
    await sink.write(
      numbers.map((number) =>
        index === 2 ? sampleRecord(number, columns) : incompleteRecord(number, 10 + index, columns),
      ),
    );
  }
}
await sink.close();
process.disconnect?.();
