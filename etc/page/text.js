/* Text that strangers wrote: made fit to be shown, and taken apart only where a reader wouldn't notice. */

const PILE = /(\p{M}{4})\p{M}+/gu; /* marks upon marks upon one letter: they would cover the lines around */
const INK = /[\p{L}\p{N}\p{P}\p{S}]/u;

const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : null;

/** At most about `most` letters of it, and no tower of accents. */
export function tidy(text, most) {
  const flat = text.slice(0, most * 8).replace(PILE, '$1');
  return flat.length <= most ? flat : Array.from(flat).slice(0, most).join('');
}

/** `text`, unless there is nothing in it to see. */
export function visible(text, otherwise) {
  return INK.test(text) ? text : otherwise;
}

/** The letters as a reader counts them: an accent stays on its letter, a family of emoji together. */
export function letters(text) {
  return segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : Array.from(text);
}
