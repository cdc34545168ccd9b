/** What the rows of a capture say of the traffic alone, however it was captured. */
import type { FileDetail, MailRecord } from '../../src/record/types.ts';

/** Sorted by content, without what names a file or a frame. Ids are handed out in the order of completion. */
export function rowsOfTraffic(records: readonly MailRecord[], without: readonly string[] = []) {
  return records
    .map(({ columns, detail }) => {
      const { file_path: _path, ...sameColumns } = columns;
      const { first_frame: _first, last_frame: _last, images, attachments, ...same } = detail;
      const files = { images: images.map(inNoFolder), attachments: attachments.map(inNoFolder) };
      return { ...sameColumns, ...same, ...files };
    })
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !without.includes(name))))
    .map((row) => ({ row, text: JSON.stringify(row, textOfNumber) }))
    .sort((one, two) => (one.text < two.text ? -1 : 1))
    .map(({ row }) => row);
}

function textOfNumber(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** The folder of an image is named after its capture. */
function inNoFolder(file: FileDetail): FileDetail {
  return { ...file, path: file.path === null ? null : (file.path.split('/').at(-1) ?? '') };
}
