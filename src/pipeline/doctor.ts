/** Looks for what is wrong with a store: the file of a SQLite store, the servers of a cluster. */
import { MailprocError } from '../core/errors.ts';
import type { Diagnosis } from '../store/finding.ts';
import {
  parseStoreUrl,
  readClusterSettings,
  type StoreOptions,
  withoutPassword,
} from '../store/open-store.ts';

export type { Diagnosis, Finding } from '../store/finding.ts';

export interface DoctorRequest extends Pick<StoreOptions, 'environment' | 'report'> {
  readonly store: string;
  /** Of the rows. */
  readonly timeZone: string;
}

export async function diagnoseStore(request: DoctorRequest): Promise<Diagnosis> {
  const { store, timeZone } = request;
  const address = parseStoreUrl(store);
  switch (address.kind) {
    case 'ndjson':
      throw new MailprocError(
        'usage.store',
        `examine ${store}: there is nothing to examine in a file of lines`,
        {
          hint: 'examine a store of the form sqlite:FILE, mysql://…, cluster:FILE or mycat:DIR',
        },
      );
    case 'sqlite': {
      const { diagnoseSqlite } = await import('../store/sqlite/doctor.ts');
      return diagnoseSqlite(address.path);
    }
    default: {
      const settings = await readClusterSettings(store, request);
      const { diagnoseMysql } = await import('../store/mysql/doctor/diagnose.ts');
      return diagnoseMysql(settings, { url: withoutPassword(store), timeZone });
    }
  }
}
