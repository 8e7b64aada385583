/* Who is on the server that we watch: the page's one truth about people, without a thought of how they look. */

const NO_COUNTS = { online: 0, idle: 0, dnd: 0, offline: 0, unknown: 0 };

export class Roster {
  constructor() {
    this.users = new Map();
    this.counts = { ...NO_COUNTS };
  }

  /** The whole list anew. */
  replace(users) {
    this.users = new Map(users.map((user) => [user.uid, user]));
    this.counts = { ...NO_COUNTS };
    for (const user of this.users.values())
      this.counts[user.status]++;
  }

  /** Applies a presence. Answers 'came', 'changed', 'left' or null: nothing to see. */
  apply(change) {
    const user = this.users.get(change.uid);
    if (change.gone) {
      if (!user)
        return null;
      this.users.delete(change.uid);
      this.counts[user.status]--;
      return 'left';
    }
    const next = {
      uid: change.uid,
      name: change.name ?? user?.name ?? change.uid,
      color: change.color ?? user?.color ?? '#99aab5',
      status: change.status ?? user?.status ?? 'unknown',
    };
    if (user)
      this.counts[user.status]--;
    this.counts[next.status]++;
    this.users.set(change.uid, next);
    return user ? 'changed' : 'came';
  }

  get size() {
    return this.users.size;
  }

  get(uid) {
    return this.users.get(uid);
  }
}
