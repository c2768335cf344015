//! Who there is to be: the part that each account plays, in numbers that fit any size of company.

use super::dice::Dice;

/// The part of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    PrimaryOwner,
    Owner,
    Admin,
    Member,
    InvitedMember,
    LeftMember,
    MultiChannelGuest,
    SingleChannelGuest,
    LeftGuest,
    Bot,
}

/// One part for each of `users` accounts; the primary owner comes first, then owners and admins.
pub(super) fn parts(users: usize, dice: &mut Dice) -> Vec<Part> {
    let owners = if users < 4 { 0 } else { (users / 60).clamp(1, 8) };
    let admins = if users < 6 { 0 } else { (users / 25).clamp(1, 40) };
    let mut others = Vec::with_capacity(users);
    let mut add = |part: Part, count: usize| others.extend(std::iter::repeat_n(part, count));
    add(Part::Bot, if users < 10 { 0 } else { (users / 50).clamp(1, 20) });
    if users >= 8 {
        add(Part::MultiChannelGuest, (users * 6 / 100).max(1));
        add(Part::SingleChannelGuest, (users * 3 / 100).max(1));
        add(Part::InvitedMember, (users * 3 / 100).max(1));
    }
    if users >= 5 {
        add(Part::LeftMember, (users * 7 / 100).max(1));
    }
    add(Part::LeftGuest, users / 100);
    let rest = users.saturating_sub(1 + owners + admins);
    others.truncate(rest);
    others.resize(rest, Part::Member);
    dice.shuffle(&mut others);

    let mut parts = vec![Part::PrimaryOwner];
    parts.extend(std::iter::repeat_n(Part::Owner, owners));
    parts.extend(std::iter::repeat_n(Part::Admin, admins));
    parts.extend(others);
    parts.truncate(users.max(1));
    parts
}

impl Part {
    /// Whether the account belongs to somebody from outside.
    pub(super) fn is_guest(self) -> bool {
        matches!(self, Self::MultiChannelGuest | Self::SingleChannelGuest | Self::LeftGuest)
    }

    /// Whether the account is switched off.
    pub(super) fn has_left(self) -> bool {
        matches!(self, Self::LeftMember | Self::LeftGuest)
    }
}
