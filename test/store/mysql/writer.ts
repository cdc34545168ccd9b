/**
 * A run of its own, to be killed: `writer.js PORT[,PORT …][/PORT …] MAILS [SWITCH_TYPE [FIRST]]`, the ports of a
 * data host's masters, data hosts after `/`. Writes mails FIRST (1) to MAILS, those of even numbers once in part before,
 * those that three divides in part and for the day before; tells its parent when it has begun to write.
 */
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../../src/store/mysql/types.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { dayBefore, writerDays, writerSettings } from './clusters.ts';

process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

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
  const part = (number: number) => {
    const { columns, ...rest } = shape(number);
    const insert_time = number % 3 === 0 ? dayBefore : columns.insert_time;
    return incompleteRecord(number, 10, { ...rest, columns: { ...columns, insert_time } });
  };
  await sink.write(numbers.filter((number) => number % 2 === 0 || number % 3 === 0).map(part));
  await sink.write(numbers.map((number) => sampleRecord(number, shape(number))));
}
await sink.close();
process.disconnect?.();
