/** The mails of a day that carry images, read back from rows and details. */
import type { Database } from 'libsql';
import type { FileDetail } from '../../record/types.ts';
import type { ImageMail } from '../sink.ts';
import { existingTables } from './schema.ts';

const columns = ['id', 'timestamp', 'mail_from', 'mail_to', 'mail_subject'] as const;

type Row = Omit<ImageMail, 'images'> & { readonly images: string | null };

/** The first `limit` of them with an id above `after`. */
export function readImageMails(database: Database, day: string, after: number, limit: number): ImageMail[] {
  const list = columns.map((name) => `"${name}"`).join(', ');
  const selects = existingTables(database, day).map(
    (name) => `SELECT ${list} FROM "${name}" WHERE image_sign = 1`,
  );
  if (selects.length === 0) return [];
  const sql = `
    SELECT mail.*, json_extract(mail_detail.detail, '$.images') AS images
    FROM (${selects.join(' UNION ALL ')}) AS mail JOIN mail_detail USING (id)
    WHERE id > ? ORDER BY id LIMIT ?`;
  const rows = database.prepare(sql).all(after, limit) as Row[];
  return rows.map((row) => ({ ...row, images: JSON.parse(row.images ?? '[]') as FileDetail[] }));
}
