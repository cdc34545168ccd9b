/**
 * A run of its own, to be killed: `writer.js PORT[,PORT …][/PORT …] MAILS [SWITCH_TYPE [FIRST]]`, the ports of a
 * data host's masters, data hosts after `/`. Writes mails FIRST (1) to MAILS, those of even numbers once in part before;
 * tells its parent when it has begun to write.
 */
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../../src/store/mysql/types.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { writerDays, writerSettings } from './clusters.ts';

const [hosts = '', mails = '0', switchType = '1', from = '1'] = process.argv.slice(2);
const ports = hosts.split('/').map((masters) => masters.split(',').map(Number));
const cluster = writerSettings(ports, Number(switchType) as DataHost['switchType']);
const sink = new MysqlSink(cluster, {
  report: (code, detail) => process.stderr.write(`${code}: ${detail}\n`),
});
await sink.open();
process.send?.('writing');
for (let first = Number(from); first <= Number(mails); first += 20) {
  const numbers = Array.from(
    { length: Math.min(20, Number(mails) - first + 1) },
    (_, index) => first + index,
  );
  const protocol = (number: number) => (['smtp', 'imap', 'pop3'] as const)[number % 3] ?? 'smtp';
  const shape = (number: number) => {
    const day = writerDays[number % ports.length] ?? '2022-01-28';
    return { protocol: protocol(number), columns: { insert_time: day, timestamp: `${day} 09:30:00` } };
  };
  const parts = numbers.filter((number) => number % 2 === 0);
  await sink.write(parts.map((number) => incompleteRecord(number, 10, shape(number))));
  await sink.write(numbers.map((number) => sampleRecord(number, shape(number))));
}
await sink.close();
process.disconnect?.();
