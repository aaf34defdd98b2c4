//! The globs of `FINDING_TYPES` and `EXEMPT`. One that can match nothing is a mistake, so each is tried on what it could
//! be meant for.

use std::fmt;

use chrono::{Datelike, NaiveDate, TimeDelta};
use glob::{MatchOptions, Pattern};

const IN_ANY_CASE: MatchOptions =
    MatchOptions { case_sensitive: false, require_literal_separator: false, require_literal_leading_dot: false };

/// `FINDING_TYPES`: globs matched against a finding type from first to last; the last one that matches decides.
#[derive(Clone, Debug)]
pub struct FindingTypes(Vec<TypeGlob>);

/// One of them.
#[derive(Clone, Debug)]
pub struct TypeGlob {
    /// Whether it selects what it matches, or takes it away.
    pub selects: bool,
    pattern: Pattern,
}

impl TypeGlob {
    /// Refuses what no type can match.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (selects, glob) = text.strip_prefix('!').map_or((true, text), |glob| (false, glob));
        let new = Self { selects, pattern: Pattern::new(glob).ok()? };
        let can_match = new.examples().next().is_some();
        can_match.then_some(new)
    }

    /// Types that it matches, of many kinds but not all. Where the glob has no colon of its own, each of its wildcards
    /// could hold it; so with the slash.
    fn examples(&self) -> impl Iterator<Item = String> {
        let tokens = Token::all(self.pattern.as_str());
        let can_hold = |place: &usize| !matches!(tokens[*place], Token::Literal(_));
        let wildcards: Vec<_> = (0..tokens.len()).filter(can_hold).map(Some).collect();
        let has = |mark: char| tokens.contains(&Token::Literal(mark));
        let places = |mark: char| if has(mark) { vec![None] } else { wildcards.clone() };
        let (colons, slashes) = (places(':'), places('/'));
        let pattern = self.pattern.clone();
        let at = colons.into_iter().flat_map(move |colon| slashes.clone().into_iter().map(move |slash| (colon, slash)));
        at.flat_map(|at| WORDS.iter().enumerate().map(move |(variant, word)| (at, variant, *word)))
            .map(move |(at, variant, word)| example(&tokens, at, variant, word))
            .filter(move |text| is_type(text) && pattern.matches_with(text, IN_ANY_CASE))
    }
}

/// What stands for any letters. A glob that takes types away may hold one of them, but hardly all.
const WORDS: [&str; 4] = ["a", "q7", "Zk", "x9"];

/// A text that a glob may match, with a colon and a slash at two of its parts, and `word` for any letters.
fn example(tokens: &[Token], (colon, slash): (Option<usize>, Option<usize>), variant: usize, word: &str) -> String {
    let part = |(place, token): (usize, &Token)| {
        let marks = [(colon, ':'), (slash, '/')].into_iter().filter(|(at, _)| *at == Some(place)).map(|(_, mark)| mark);
        match (token, marks.clone().next()) {
            (Token::Literal(c), _) => c.to_string(),
            (Token::Any, _) => marks.fold(word.to_owned(), |text, mark| format!("{text}{mark}{word}")),
            (Token::One | Token::Class(_), Some(mark)) => mark.to_string(),
            (Token::One, None) => word[..1].to_owned(),
            (Token::Class(class), None) => {
                let members: Vec<_> = class.members(is_of_a_type).collect();
                members.iter().cycle().nth(variant).into_iter().collect()
            }
        }
    };
    tokens.iter().enumerate().map(part).collect()
}

/// Whether a text looks like a finding type, `Recon:IAMUser/TorIPCaller` or `Backdoor:EC2/C&CActivity.B!DNS`:
/// <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html>
fn is_type(text: &str) -> bool {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    let is_name = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_of_a_type);
    text.split_once(':').is_some_and(|(purpose, rest)| {
        is_word(purpose) && rest.split_once('/').is_some_and(|(resource, name)| is_word(resource) && is_name(name))
    })
}

fn is_of_a_type(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".!&_-".contains(c)
}

impl fmt::Display for TypeGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.selects { "" } else { "!" }, self.pattern)
    }
}

impl FindingTypes {
    pub(super) fn new(globs: Vec<TypeGlob>) -> Self {
        Self(globs)
    }

    /// The glob that decides about a type; `None` when none matches, and then it is not selected.
    pub fn decider(&self, kind: &str) -> Option<&TypeGlob> {
        self.0.iter().rev().find(|glob| glob.pattern.matches_with(kind, IN_ANY_CASE))
    }

    /// Whether all that a glob selects is taken away by a later one.
    pub(super) fn selects_nothing(&self) -> bool {
        let mut selected = self.0.iter().filter(|glob| glob.selects).flat_map(TypeGlob::examples);
        !selected.any(|kind| self.decider(&kind).is_some_and(|glob| glob.selects))
    }
}

/// `EXEMPT`: globs on user names, role names and access key IDs that automation must never touch.
#[derive(Clone, Debug, Default)]
pub struct Exempt(Vec<Exemption>);

/// One of them.
#[derive(Clone, Debug)]
pub struct Exemption {
    /// As it was configured.
    pub text: String,
    /// The last day on which it protects, in UTC.
    pub until: Option<NaiveDate>,
    pattern: Pattern,
}

impl Exempt {
    pub(super) fn new(entries: Vec<Exemption>) -> Self {
        Self(entries)
    }

    /// What protects on a day.
    pub fn on(&self, today: NaiveDate) -> Protection<'_> {
        Protection { exempt: self, today }
    }

    /// The entries that protect nobody any more.
    pub fn expired(&self, today: NaiveDate) -> impl Iterator<Item = &Exemption> {
        self.0.iter().filter(move |entry| entry.until.is_some_and(|until| until < today))
    }
}

/// `EXEMPT` on a day.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'c> {
    exempt: &'c Exempt,
    today: NaiveDate,
}

/// From how many days before its end a person is told that an entry ends.
const NOTICE: TimeDelta = TimeDelta::days(14);

impl<'c> Protection<'c> {
    /// The entry that protects a name or an access key ID; of several the one that protects longest. Case is ignored, as
    /// IAM ignores it in names: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    pub fn of(&self, name: &str) -> Option<&'c Exemption> {
        let is_in_force = |entry: &&Exemption| entry.until.is_none_or(|until| self.today <= until);
        let matches = |entry: &&Exemption| entry.pattern.matches_with(name, IN_ANY_CASE);
        let longest = |entry: &&Exemption| entry.until.unwrap_or(NaiveDate::MAX);
        self.exempt.0.iter().rev().filter(is_in_force).filter(matches).max_by_key(longest)
    }

    /// The day on which an entry ends, where that is soon.
    pub fn ends_soon(&self, entry: &Exemption) -> Option<NaiveDate> {
        entry.until.filter(|until| *until - self.today <= NOTICE)
    }
}

impl Exemption {
    /// A glob, which may be followed by the last day on which it protects.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (glob, until) = match text.rsplit_once(" until ") {
            Some((glob, day)) => (glob.trim_end(), Some(day_of(day.trim_start())?)),
            None => (text, None),
        };
        Some(Self { text: text.to_owned(), until, pattern: Self::glob(glob)? })
    }

    /// Refuses what no name and no key can match, such as an ARN or a path. Both have at most 128 characters.
    fn glob(text: &str) -> Option<Pattern> {
        let is_possible = |c: char| c.is_ascii_alphanumeric() || "_+=.@-".contains(c);
        let tokens = Token::all(text);
        let can_match = tokens.iter().all(|token| match token {
            Token::Any | Token::One => true,
            Token::Class(class) => class.members(is_possible).next().is_some(),
            Token::Literal(c) => is_possible(*c),
        });
        let shortest = tokens.iter().filter(|token| **token != Token::Any).count();
        Pattern::new(text).ok().filter(|_| can_match && !text.is_empty() && shortest <= 128)
    }
}

/// A day of the calendar as `2027-03-31`.
fn day_of(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (text.len() == 10 && day.year() > 0 && day.format("%Y-%m-%d").to_string() == text).then_some(day)
}

/// A part of a glob.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[a-z]` or `[!a-z]`
    Class(Class),
    Literal(char),
}

/// Some characters, as a glob of its own.
#[derive(Clone, Debug, PartialEq)]
struct Class(Pattern);

impl Class {
    fn members(&self, of: impl Fn(char) -> bool) -> impl Iterator<Item = char> {
        ('!'..='~').filter(move |c| of(*c) && self.0.matches_with(c.encode_utf8(&mut [0; 4]), IN_ANY_CASE))
    }
}

impl Token {
    /// The parts of a glob that has been found to be one.
    fn all(glob: &str) -> Vec<Self> {
        let mut tokens = Vec::new();
        let mut rest = glob;
        while let Some(c) = rest.chars().next() {
            let mut ends =
                (1..=rest.len()).filter(|end| c == '[' && rest.get(..*end).is_some_and(|text| text.ends_with(']')));
            let class = ends.find_map(|end| Some((Pattern::new(&rest[..end]).ok()?, end)));
            let (token, length) = match (c, class) {
                ('*', _) => (Self::Any, 1),
                ('?', _) => (Self::One, 1),
                (_, Some((class, length))) => (Self::Class(Class(class)), length),
                (c, None) => (Self::Literal(c), c.len_utf8()),
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        tokens
    }
}
