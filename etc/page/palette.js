/* Colours: arithmetic on #rrggbb, and the two sets of the world's paint, day and night. */

const NEUTRAL = '#99aab5';

/** A role colour as it came over the wire; anything but #rrggbb becomes a neutral grey. */
export function safeColor(text) {
  return typeof text === 'string' && /^#[0-9a-f]{6}$/i.test(text) ? text.toLowerCase() : NEUTRAL;
}

export function rgbOf(hex) {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

export function hexOf([r, g, b]) {
  return '#' + [r, g, b].map((c) => Math.round(c).toString(16).padStart(2, '0')).join('');
}

/** `part` of the way from one colour to the other. */
export function mix(from, to, part) {
  const a = rgbOf(from);
  const b = rgbOf(to);
  return hexOf(a.map((c, i) => c + (b[i] - c) * part));
}

/** Fewer distinct colours for crowds, so that the number of sprites has a limit. */
export function coarse(hex) {
  return hexOf(rgbOf(hex).map((c) => Math.min(255, (c >> 5) * 32 + 16)));
}

const DAY = {
  night: false,
  sky: ['#a9def7', '#d3effb', '#f6f7ee'],
  cloud: ['#ffffff', '#e9f4fb', '#d2e7f3'],
  grass: ['#7cc35b', '#74bb55', '#86cb62', '#6fb452'],
  grassLight: '#a2dc78',
  grassDark: '#5a9c45',
  lip: ['#5d9c43', '#4c8638'],
  soil: ['#b07b4f', '#9a683f', '#835636', '#6d4730'],
  rock: ['#8d8c94', '#77767f', '#5f5e69'],
  path: ['#e0c28d', '#d6b680', '#cfab73'],
  pathDark: '#b9945e',
  water: ['#62c3e6', '#55b5dd', '#a6e6f7'],
  trunk: ['#8a5c3b', '#6d4529', '#a87449'],
  shadow: 'rgba(32, 62, 40, 0.28)',
  flowers: ['#ffffff', '#ffd84d', '#ff8fb1', '#b79cff'],
  leaves: [
    ['#9bd65f', '#6dbb4d', '#4b9a45', '#357a40'],
    ['#f7b7cf', '#ee92b5', '#d9719c', '#b45482'],
    ['#f4c95d', '#e9a23b', '#d07c2c', '#a85a26'],
    ['#7fd0a0', '#4fb285', '#35906f', '#27705b'],
  ],
  pine: ['#6fb38a', '#468f6d', '#2f7258', '#215746'],
  paper: '#fffdf5',
  ink: '#22302a',
  labelInk: '#17251e',
  labelPaper: 'rgba(255, 255, 255, 0.78)',
};

const NIGHT = {
  night: true,
  sky: ['#0b1026', '#171e45', '#2b2f5e'],
  cloud: ['#39406f', '#2d3460', '#232a52'],
  grass: ['#33655a', '#2e5d54', '#396e60', '#2a564f'],
  grassLight: '#4f8b74',
  grassDark: '#224840',
  lip: ['#264f49', '#1d403d'],
  soil: ['#5f4a50', '#513e48', '#43333f', '#362a37'],
  rock: ['#5a5d78', '#484b66', '#383a55'],
  path: ['#75705f', '#6c6758', '#635e52'],
  pathDark: '#4f4b47',
  water: ['#2a5d93', '#254f85', '#7fb6e8'],
  trunk: ['#4c3b44', '#3a2d38', '#5f4b52'],
  shadow: 'rgba(4, 8, 24, 0.42)',
  flowers: ['#d7e3ff', '#e8cf7a', '#d58fb4', '#a99be0'],
  leaves: [
    ['#5f9a72', '#3f7a62', '#2c5f55', '#204848'],
    ['#b787a9', '#966a94', '#744f7b', '#573c63'],
    ['#b79a63', '#98774f', '#765846', '#573f3d'],
    ['#4f9a8d', '#367a76', '#285e63', '#1e484f'],
  ],
  pine: ['#44806f', '#2f6360', '#234d50', '#1a3a41'],
  paper: '#f3f0ff',
  ink: '#1a1c38',
  labelInk: '#eef1ff',
  labelPaper: 'rgba(12, 16, 38, 0.72)',
};

export function paintOf(night) {
  return night ? NIGHT : DAY;
}
