/** The sequence that a cluster's settings name. */
import type { SequenceSettings } from '../types.ts';
import { DatabaseSequence } from './database.ts';
import { FileSequence } from './file.ts';
import { TimeSequence } from './time.ts';
import type { IdSource, SequenceConnection } from './types.ts';

/**
 * `connect` answers with a connection to the active master of a data node, in its database. A sequence in a
 * database gets its table and its row where they are missing.
 */
export async function openSequence(
  settings: SequenceSettings,
  connect: (dataNode: string) => Promise<SequenceConnection>,
): Promise<IdSource> {
  switch (settings.kind) {
    case 'file':
      return new FileSequence(settings);
    case 'time':
      return new TimeSequence(settings);
    case 'database': {
      const sequence = new DatabaseSequence(settings.name, () => connect(settings.dataNode));
      await sequence.prepare();
      return sequence;
    }
  }
}
