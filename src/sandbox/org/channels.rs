//! The channels of the workspaces, as far as administrators read them. Memberships are computed
//! from account and channel, without a table; only those of guests are stored.

use super::{GridOrganization, Person, PersonIndex};

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// `C…`.
    pub id: String,
    /// Name without the `#`.
    pub name: String,
    /// Its purpose.
    pub purpose: String,
    /// Whether only members see it.
    pub is_private: bool,
    /// Whether it is archived.
    pub is_archived: bool,
    /// Whether new members join it.
    pub is_default: bool,
    /// Unix seconds.
    pub created: i64,
}

impl Channel {
    /// Returns a public channel that new members join.
    #[must_use]
    pub fn new_default(id: String, name: &str, created: i64) -> Self {
        let purpose = format!("Where everybody is: {name}");
        Self { is_default: true, ..Self::new_public(id, name, &purpose, created) }
    }

    /// Returns a public channel.
    #[must_use]
    pub fn new_public(id: String, name: &str, purpose: &str, created: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            purpose: purpose.to_owned(),
            is_private: false,
            is_archived: false,
            is_default: false,
            created,
        }
    }

    /// Whether all full members of the workspace are in it.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.name == "general"
    }
}

impl GridOrganization {
    /// Returns the channel with this id, and the position of its workspace.
    #[must_use]
    pub fn channel(&self, id: &str) -> Option<(usize, &Channel)> {
        let all = self.workspaces.iter().enumerate();
        let mut all =
            all.flat_map(|(number, team)| team.channels.iter().map(move |one| (number, one)));
        all.find(|(_, channel)| channel.id == id)
    }

    /// Whether an account is in a channel of a workspace.
    #[must_use]
    pub fn is_in_channel(&self, index: PersonIndex, team: usize, channel: &Channel) -> bool {
        let Some(membership) = self.person(index).and_then(|one| if_active(one)?.membership(team))
        else {
            return false;
        };
        if membership.level.is_guest() {
            return match self.guest_channels.get(&index) {
                Some(own) => own.contains(&channel.id),
                None => channel.is_general(),
            };
        }
        let share = match (channel.is_default, channel.is_archived, channel.is_private) {
            (_, true, _) => return false,
            (true, false, _) => return true,
            (false, false, false) => 3,
            (false, false, true) => 8,
        };
        stable_hash(index, &channel.id).is_multiple_of(share)
    }

    /// Returns the members of a channel, oldest account first, starting at position `from`.
    #[must_use = "an iterator does nothing unless consumed"]
    pub fn channel_members<'o>(
        &'o self,
        team: usize,
        channel: &'o Channel,
        from: PersonIndex,
    ) -> impl Iterator<Item = PersonIndex> + 'o {
        let members = self.workspaces.get(team).map(|workspace| workspace.members.range(from..));
        let members = members.into_iter().flatten().copied();
        members.filter(move |index| self.is_in_channel(*index, team, channel))
    }
}

fn if_active(person: &Person) -> Option<&Person> {
    Some(person).filter(|person| person.is_active())
}

/// Returns a hash of account and channel: FNV-1a.
fn stable_hash(index: PersonIndex, channel: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in channel.bytes().chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash >> 7
}
