// subject-guard: a sample that is neither C nor C++. Refuses or marks messages whose Subject, decoded (RFC 2047) and folded to lower case,
// contains one of the configured words, unless the sender's domain is exempt. Owns one instance that no call changes; hooks run on the
// loops. No crates; the declarations in the file that VEREDUS_RS names are made by bindings.py
// from sdk/abi/table.txt.
#[allow(dead_code, non_camel_case_types)]
mod veredus {
    include!(env!("VEREDUS_RS"));
}

use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use veredus::*;

// ---- text

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for &octet in text {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'_' => out.push(b' '),
            b'=' => {
                let pair = std::str::from_utf8(text.get(at + 1..at + 3)?).ok()?;
                out.push(u8::from_str_radix(pair, 16).ok()?);
                at += 2;
            }
            octet => out.push(octet),
        }
        at += 1;
    }
    Some(out)
}

// "=?utf-8?q?caf=C3=A9?=" without its frame; other character sets than UTF-8 and Latin 1 are left as octets.
fn encoded_word(word: &str) -> Option<String> {
    let mut parts = word.splitn(3, '?');
    let charset = parts.next()?.to_ascii_lowercase();
    let octets = match parts.next()? {
        "b" | "B" => base64(parts.next()?.as_bytes())?,
        "q" | "Q" => quoted(parts.next()?.as_bytes())?,
        _ => return None,
    };
    if charset.starts_with("iso-8859-1") {
        return Some(octets.iter().map(|&octet| char::from(octet)).collect());
    }
    Some(String::from_utf8_lossy(&octets).into_owned())
}

// One line in lower case, runs of white space as one space, encoded words decoded and joined.
fn readable(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::new();
    let mut joins = true; // no space between two encoded words, nor in front
    for word in text.split_whitespace() {
        let inner = word.strip_prefix("=?").and_then(|rest| rest.strip_suffix("?=")).and_then(encoded_word);
        if !out.is_empty() && !(joins && inner.is_some()) {
            out.push(' ');
        }
        joins = inner.is_some();
        out.push_str(&inner.unwrap_or_else(|| word.to_string()));
    }
    out.to_lowercase()
}

// ---- the host

fn bytes<'a>(text: vrd_str) -> &'a [u8] {
    if text.len == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(text.ptr as *const u8, text.len) }
}

fn string(text: vrd_str) -> String {
    String::from_utf8_lossy(bytes(text)).into_owned()
}

fn str_of(text: &[u8]) -> vrd_str {
    vrd_str { ptr: text.as_ptr() as *const c_char, len: text.len() }
}

// An interface by its id, or nothing when this host does not offer it.
unsafe fn interface<T>(host: *const vrd_host, id: &'static [u8]) -> Option<&'static T> {
    ((*host).iface.unwrap()(host, id.as_ptr() as *const c_char) as *const T).as_ref()
}

unsafe fn texts(conf: &vrd_core_conf_1, settings: *const vrd_conf, key: &'static [u8]) -> Vec<String> {
    let list = conf.get.unwrap()(settings, key.as_ptr() as *const c_char);
    (0..conf.count.unwrap()(list)).map(|i| string(conf.text.unwrap()(conf.at.unwrap()(list, i)))).collect()
}

struct Guard {
    host: *const vrd_host,
    hook: &'static vrd_core_hook_1,
    edit: &'static vrd_core_edit_1,
    message: &'static vrd_core_message_1,
    metric: &'static vrd_core_metric_1,
    matched: u32,
    words: Vec<String>,
    exempt: Vec<String>,
    refuse: bool,
}

impl Guard {
    unsafe fn new(host: *const vrd_host, settings: *const vrd_conf) -> Option<Guard> {
        let conf: &vrd_core_conf_1 = interface(host, VRD_CORE_CONF_1)?;
        let mut guard = Guard {
            host,
            hook: interface(host, VRD_CORE_HOOK_1)?,
            edit: interface(host, VRD_CORE_EDIT_1)?,
            message: interface(host, VRD_CORE_MESSAGE_1)?,
            metric: interface(host, VRD_CORE_METRIC_1)?,
            matched: 0,
            words: texts(conf, settings, b"words\0").iter().map(|word| word.to_lowercase()).collect(),
            exempt: texts(conf, settings, b"exempt\0").iter().map(|domain| domain.to_lowercase()).collect(),
            refuse: conf.number.unwrap()(conf.get.unwrap()(settings, b"action\0".as_ptr() as *const c_char)) == 0,
        };
        let def = vrd_metric_def {
            size: std::mem::size_of::<vrd_metric_def>() as u32,
            kind: VRD_METRIC_COUNTER,
            name: b"matched_total\0".as_ptr() as *const c_char,
            doc: b"Messages whose subject has one of the words\0".as_ptr() as *const c_char,
            label: ptr::null(),
            label_values: ptr::null(),
        };
        (guard.metric.define.unwrap()(host, &def, &mut guard.matched) == VRD_OK).then(|| guard)
    }

    unsafe fn is_exempt(&self, view: *const vrd_view) -> bool {
        let mut domain: vrd_value = std::mem::zeroed();
        self.message.attr.unwrap()(view, VRD_ATTR_SENDER_DOMAIN, &mut domain);
        domain.kind == VRD_TEXT && self.exempt.contains(&string(domain.text).to_lowercase())
    }

    unsafe fn found(&self, view: *const vrd_view) -> Option<&str> {
        let mut value = str_of(b"");
        if self.message.header.unwrap()(view, str_of(b"Subject"), 1, &mut value, ptr::null_mut()) != VRD_OK {
            return None;
        }
        let subject = readable(bytes(value));
        self.words.iter().find(|word| subject.contains(word.as_str())).map(|word| word.as_str())
    }

    // The verdict on a message at stage headers.
    unsafe fn judge(&self, stage: *mut vrd_stage, out: &mut vrd_verdict) -> vrd_status {
        let view = self.hook.view.unwrap()(stage);
        let word = match self.found(view) {
            Some(word) if !self.is_exempt(view) => word,
            _ => return VRD_OK,
        };
        self.metric.add.unwrap()(self.host, self.matched, 0, 1);
        let edits = self.hook.edits.unwrap()(stage);
        let rule: String = word.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(100).collect();
        let rule = format!("subject-guard: {}", rule);
        let named = self.edit.rule.unwrap()(edits, str_of(rule.as_bytes()));
        if named != VRD_OK {
            return named;
        }
        if !self.refuse {
            return self.edit.insert_header.unwrap()(edits, u32::MAX, str_of(b"X-Subject-Guard"), str_of(b"matched"));
        }
        out.action = VRD_REJECT as i32;
        let text = b"the subject is not accepted here; ask the postmaster by another way";
        self.edit.reply.unwrap()(edits, 550, [5u8, 7, 1].as_ptr(), str_of(text))
    }
}

// ---- what the host calls; a panic must not pass

unsafe extern "C" fn create(host: *const vrd_host, settings: *const vrd_conf, _: *mut c_void, out: *mut *mut c_void, _: *mut vrd_err) -> vrd_status {
    match catch_unwind(AssertUnwindSafe(|| Guard::new(host, settings))) {
        Ok(Some(guard)) => {
            *out = Box::into_raw(Box::new(guard)) as *mut c_void;
            VRD_OK
        }
        Ok(None) => VRD_E_UNSUPPORTED,
        Err(_) => VRD_E_FAULT,
    }
}

unsafe extern "C" fn destroy(guard: *mut c_void) {
    drop(Box::from_raw(guard as *mut Guard));
}

unsafe extern "C" fn on_headers(shard: *mut c_void, stage: *mut vrd_stage, out: *mut vrd_verdict) -> vrd_status {
    catch_unwind(AssertUnwindSafe(|| (*(shard as *const Guard)).judge(stage, &mut *out))).unwrap_or(VRD_E_FAULT)
}

// ---- the description: static data

struct Static<T>(T);
unsafe impl<T> Sync for Static<T> {} // it is never written

macro_rules! text {
    ($text:literal) => {
        concat!($text, "\0").as_ptr() as *const c_char
    };
}

const fn setting(kind: u32, flags: u32, key: *const c_char, dflt: *const c_char, bounds: *const c_char, doc: *const c_char) -> vrd_setting {
    vrd_setting { size: std::mem::size_of::<vrd_setting>() as u32, type_: kind, flags, since: 1, key, dflt, bounds, doc }
}

static WORDS: Static<vrd_setting> = Static(setting(VRD_SETTING_TEXT, VRD_SETTING_LIST | VRD_SETTING_REQUIRED, text!("words"), ptr::null(), text!("1..200"), text!("What a subject must not contain; case does not matter.")));
static EXEMPT: Static<vrd_setting> = Static(setting(VRD_SETTING_TEXT, VRD_SETTING_LIST, text!("exempt"), ptr::null(), ptr::null(), text!("Domains of senders that are not looked at.")));
static ACTION: Static<vrd_setting> = Static(setting(VRD_SETTING_CHOICE, 0, text!("action"), text!("reject"), text!("reject|tag"), text!("Refuse the message, or add a header field to it.")));
static SETTINGS: Static<[*const vrd_setting; 4]> = Static([&WORDS.0, &EXEMPT.0, &ACTION.0, ptr::null()]);

static HEADERS: Static<vrd_hook> = Static(vrd_hook {
    size: std::mem::size_of::<vrd_hook>() as u32,
    stage: VRD_STAGE_HEADERS,
    order: 0,
    needs: VRD_NEED_CONTENT,
    may: VRD_MAY_HEADERS,
    on_fault: VRD_ON_FAULT_NEXT,
    flags: 0,
    zero: 0,
    call: Some(on_headers),
    cancel: None,
});
static HOOKS: Static<[*const vrd_hook; 2]> = Static([&HEADERS.0, ptr::null()]);

static PLUGIN: Static<vrd_plugin> = Static(vrd_plugin {
    size: std::mem::size_of::<vrd_plugin>() as u32,
    abi: VRD_ABI,
    threading: VRD_PER_LOOP,
    flags: 0,
    id: text!("subject-guard"),
    version: text!("1.0"),
    license: text!("Apache-2.0"),
    summary: text!("Refuses or marks messages by words in their subject"),
    settings: &SETTINGS.0 as *const *const vrd_setting,
    hooks: &HOOKS.0 as *const *const vrd_hook,
    commands: ptr::null(),
    services: ptr::null(),
    create: Some(create),
    shard_start: None,
    shard_stop: None,
    quiesce: None,
    destroy: Some(destroy),
    provide: None,
});

/// The one exported symbol.
#[no_mangle]
pub extern "C" fn veredus_plugin_1() -> *const vrd_plugin {
    &PLUGIN.0
}
