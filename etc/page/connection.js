/* The WebSocket to this very server, kept up: when it is lost, it is tried again with growing delay.
 *
 * It knows nothing of frames; it hands their text on. Phases: 'connecting', 'open', 'waiting' (for the next try).
 */

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 30000;
const PATIENCE = 10000; /* for a handshake */
const PROVEN = 5000;    /* open for so long: the next loss starts with the first delay again */

/** The address of the server that this page came from: its folder, with ws: for http:. */
export function socketUrl(page = window.location.href) {
  const url = new URL('./', page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = url.hash = '';
  url.username = url.password = ''; /* a proxy's login isn't for showing; the browser sends it by itself */
  return url.href;
}

/** The same for people: no slash after a bare host. */
export function socketUrlText(page) {
  const url = socketUrl(page);
  return new URL(url).pathname === '/' ? url.slice(0, -1) : url;
}

export class Connection {
  /** `onPhase({phase, attempt, delay})` and `onText(text)` are called as things happen. */
  constructor(url, { onPhase, onText }) {
    this.url = url;
    this.onPhase = onPhase;
    this.onText = onText;
    this.losses = 0;
    this.socket = null;
    this.timer = 0;
    window.addEventListener('online', () => this.tryNow());
    window.addEventListener('pagehide', () => this.rest());
    window.addEventListener('pageshow', (event) => event.persisted && this.open());
  }

  open() {
    this.rest();
    this.onPhase({ phase: 'connecting', attempt: this.losses });
    let socket;
    try {
      socket = new WebSocket(this.url);
    } catch {
      this.lose();
      return;
    }
    this.socket = socket;
    this.timer = setTimeout(() => this.lose(), PATIENCE);
    socket.onopen = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => { this.losses = 0; }, PROVEN);
      this.onPhase({ phase: 'open' });
    };
    socket.onmessage = (event) => {
      if (typeof event.data === 'string')
        this.onText(event.data);
    };
    socket.onclose = () => this.lose();
  }

  /** Lets go of the socket, if any, and of every plan. */
  rest() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  lose() {
    this.rest();
    this.losses++;
    const growing = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.losses - 1));
    const delay = Math.round(growing * (0.85 + Math.random() * 0.3));
    this.timer = setTimeout(() => this.open(), delay);
    this.onPhase({ phase: 'waiting', attempt: this.losses, delay });
  }

  /** Doesn't wait for the next try. */
  tryNow() {
    if (!this.socket)
      this.open();
  }

  /** False when there is nobody to send to. */
  send(text) {
    if (this.socket?.readyState !== WebSocket.OPEN)
      return false;
    this.socket.send(text);
    return true;
  }
}
