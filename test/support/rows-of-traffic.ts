/** What the rows of a capture say of the traffic alone, however it was captured. */
import type { FileDetail, MailRecord } from '../../src/record/types.ts';

/** Sorted by key, without what names a file or a frame. Ids are handed out in the order of completion. */
export function rowsOfTraffic(records: readonly MailRecord[], without: readonly string[] = []) {
  return records
    .map(({ columns, detail }) => {
      const { file_path: _path, ...sameColumns } = columns;
      const { first_frame: _first, last_frame: _last, images, attachments, ...same } = detail;
      const files = { images: images.map(inNoFolder), attachments: attachments.map(inNoFolder) };
      return { ...sameColumns, ...same, ...files };
    })
    .sort((one, two) => (one.mail_key < two.mail_key ? -1 : 1))
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !without.includes(name))));
}

/** The folder of an image is named after its capture. */
function inNoFolder(file: FileDetail): FileDetail {
  return { ...file, path: file.path === null ? null : (file.path.split('/').at(-1) ?? '') };
}
