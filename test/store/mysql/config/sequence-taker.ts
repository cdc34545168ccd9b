/** A process that takes ids one by one from a sequence file and prints each, for the tests of several processes. */
import { argv, stdout } from 'node:process';
import { FileSequence } from '../../../../src/store/mysql/sequence/file.ts';

const [, , path = '', takes = '0'] = argv;
const sequence = new FileSequence({ path, name: 'A' });
for (let count = 0; count < Number(takes); count++) {
  const [range] = await sequence.take(1);
  stdout.write(`${range?.first}\n`);
}
