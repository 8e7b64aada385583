//! A provider for d-back in Rust: a tree with three owls, one of which hoots.
//!
//! There is no crate for it and none is needed: the first half of this file says in Rust what `dback/provider.h` says
//! in C (of which it leaves out what it doesn't use), the second half is the provider. All its functions are called on
//! one thread, one at a time, so it needs no locks.
//!
//! Two things are different from C. A panic must not leave a function that d-back calls: `panic = "abort"` in
//! Cargo.toml sees to that, but d-back ends with it. And what d-back hands over (`Str`) is lent for the call
//! only: take copies.

use std::mem::size_of;
use std::os::raw::{c_char, c_void};
use std::ptr;

// ---------------------------------------------------------------- dback/provider.h

const MAGIC: u32 = 0x4b43_4244;
const OK: i32 = 0;
const PASS: i32 = 1;
const INVALID: i32 = -3;
const STATUS_ONLINE: u32 = 1;
const STATUS_IDLE: u32 = 2;
const SERVER_DEFAULT: u32 = 1;
const EVENT_MESSAGE: u32 = 1;
const PROVIDER_PUSHES: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    ptr: *const c_char,
    len: usize,
}

impl Str {
    fn of(text: &str) -> Str {
        Str {
            ptr: text.as_ptr().cast(),
            len: text.len(),
        }
    }

    /// For the call that it was lent for.
    unsafe fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(self.ptr.cast(), self.len)
        }
    }
}

#[repr(C)]
pub struct Server {
    size: u32,
    flags: u32,
    discord_id: Str,
    id: Str,
    name: Str,
    password: Str,
}

#[repr(C)]
pub struct User {
    size: u32,
    status: u32,
    uid: Str,
    username: Str,
    role_color: Str,
}

#[repr(C)]
pub struct Event {
    size: u32,
    kind: u32,
    server: Str,
    user: *const User,
    channel: Str,
    text: Str,
}

/// Functions that are never called here keep their places only.
type Unused = Option<unsafe extern "C" fn()>;

#[repr(C)]
pub struct Host {
    size: u32,
    minor: u32,
    ctx: *mut c_void,
    log: unsafe extern "C" fn(*const Host, u32, Str),
    put_server: unsafe extern "C" fn(*const Host, u64, *const Server) -> i32,
    put_user: unsafe extern "C" fn(*const Host, u64, *const User) -> i32,
    put_login: Unused,
    put_client_id: Unused,
    put_file: Unused,
    put_bytes: Unused,
    done: unsafe extern "C" fn(*const Host, u64, i32, Str) -> i32,
    emit: unsafe extern "C" fn(*const Host, *const Event) -> i32,
    hold: Unused,
    release: Unused,
    watch_fd: Unused,
    unwatch_fd: Unused,
    start_timer: unsafe extern "C" fn(
        *const Host,
        u64,
        u64,
        unsafe extern "C" fn(*mut c_void),
        *mut c_void,
    ) -> i64,
    stop_timer: unsafe extern "C" fn(*const Host, i64),
    extension: Unused,
}

#[repr(C)]
pub struct Vtable {
    size: u32,
    flags: u32,
    create: unsafe extern "C" fn(*const Host, Str, *mut *mut c_void, *mut c_char, usize) -> i32,
    destroy: unsafe extern "C" fn(*mut c_void),
    servers: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    users: Option<unsafe extern "C" fn(*mut c_void, u64, Str)>,
    validate: Unused,
    client_id: Unused,
    static_file: Unused,
    watched: Option<unsafe extern "C" fn(*mut c_void, Str, u32)>,
    cancel: Unused,
    quiesce: Option<unsafe extern "C" fn(*mut c_void)>,
    extension: Unused,
}

#[repr(C)]
pub struct Entry {
    magic: u32,
    major: u16,
    minor: u16,
    size: u32,
    need_minor: u32,
    name: *const c_char,
    version: *const c_char,
    vtable: *const Vtable,
}

// It holds pointers, to constants only.
unsafe impl Sync for Entry {}

// ---------------------------------------------------------------- the provider

const TREE: &str = "1001";
const OWLS: [(&str, &str, u32); 3] = [
    ("1", "Strix", STATUS_ONLINE),
    ("2", "Bubo", STATUS_IDLE),
    ("3", "Athene", STATUS_ONLINE),
];

/// Everything that belongs to one instance. There may be two at a time, so nothing is static.
struct Owls {
    host: &'static Host, // valid until destroy() returns
    hoots: u64,
    timer: i64, // runs while somebody watches; else 0
}

impl Owls {
    fn done(&self, request: u64, result: i32) {
        unsafe { (self.host.done)(self.host, request, result, Str::of("")) };
    }

    fn hoot(&mut self) {
        self.hoots += 1;
        let text = format!("hoo, for the {}. time", self.hoots);
        let nobody = Str::of("");
        let strix = User {
            size: size_of::<User>() as u32,
            status: 0,
            uid: Str::of(OWLS[0].0),
            username: nobody,
            role_color: nobody,
        };
        let event = Event {
            size: size_of::<Event>() as u32,
            kind: EVENT_MESSAGE,
            server: Str::of(TREE),
            user: &strix,
            channel: Str::of("1"),
            text: Str::of(&text),
        };
        unsafe { (self.host.emit)(self.host, &event) }; // copied at once; a hoot that finds no room is no loss
    }

    fn stop(&mut self) {
        if self.timer > 0 {
            unsafe { (self.host.stop_timer)(self.host, self.timer) };
        }
        self.timer = 0;
    }
}

unsafe fn owls<'a>(this: *mut c_void) -> &'a mut Owls {
    &mut *this.cast()
}

unsafe extern "C" fn create(
    host: *const Host,
    options: Str,
    this: *mut *mut c_void,
    error: *mut c_char,
    size: usize,
) -> i32 {
    if options
        .bytes()
        .iter()
        .filter(|c| !c.is_ascii_whitespace())
        .count()
        > 2
    {
        let sentence = b"the provider owls has no options"; // more than "{}"
        let len = sentence.len().min(size - 1);
        ptr::copy_nonoverlapping(sentence.as_ptr().cast(), error, len);
        *error.add(len) = 0;
        return INVALID;
    }
    let owls = Box::new(Owls {
        host: &*host,
        hoots: 0,
        timer: 0,
    });
    (owls.host.log)(owls.host, 3, Str::of("the owls are awake"));
    *this = Box::into_raw(owls).cast();
    OK
}

unsafe extern "C" fn destroy(this: *mut c_void) {
    drop(Box::<Owls>::from_raw(this.cast()));
}

unsafe extern "C" fn servers(this: *mut c_void, request: u64) {
    let owls = owls(this);
    let tree = Server {
        size: size_of::<Server>() as u32,
        flags: SERVER_DEFAULT,
        discord_id: Str::of(TREE),
        id: Str::of("tree"),
        name: Str::of("The Tree"),
        password: Str::of(""),
    };
    (owls.host.put_server)(owls.host, request, &tree);
    owls.done(request, OK);
}

unsafe extern "C" fn users(this: *mut c_void, request: u64, server: Str) {
    let owls = owls(this);
    if server.bytes() != TREE.as_bytes() {
        owls.done(request, PASS); // not ours: ask the next provider
        return;
    }
    for (uid, name, status) in OWLS {
        let row = User {
            size: size_of::<User>() as u32,
            status,
            uid: Str::of(uid),
            username: Str::of(name),
            role_color: Str::of("#9b59b6"),
        };
        (owls.host.put_user)(owls.host, request, &row);
    }
    owls.done(request, OK);
}

unsafe extern "C" fn on_timer(this: *mut c_void) {
    owls(this).hoot();
}

unsafe extern "C" fn watched(this: *mut c_void, server: Str, viewers: u32) {
    let owls = owls(this);
    if server.bytes() != TREE.as_bytes() {
        return;
    }
    owls.stop();
    if viewers > 0 {
        owls.timer = (owls.host.start_timer)(owls.host, 200, 2000, on_timer, this);
    }
}

unsafe extern "C" fn quiesce(this: *mut c_void) {
    owls(this).stop();
}

static VTABLE: Vtable = Vtable {
    size: size_of::<Vtable>() as u32,
    flags: PROVIDER_PUSHES,
    create,
    destroy,
    servers: Some(servers),
    users: Some(users),
    validate: None,
    client_id: None,
    static_file: None,
    watched: Some(watched),
    cancel: None,
    quiesce: Some(quiesce),
    extension: None,
};

/// The one thing that d-back looks for.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static dback_provider: Entry = Entry {
    magic: MAGIC,
    major: 1,
    minor: 0,
    size: size_of::<Entry>() as u32,
    need_minor: 0,
    name: b"owls\0".as_ptr().cast(),
    version: b"1.0\0".as_ptr().cast(),
    vtable: &VTABLE,
};
