"""The words of the trade that every service uses: the enums of the catalogue, its roles, and the details of a person.

Part of every service's contract, like its events.py: imports nothing but the kernel's messages and permissions.
"""

from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from shared.domain.declared import read_beside
from shared.domain.messages import Added, CorrectionCommand, FreeText, ShortText, ValueObject
from shared.domain.permissions import (
    AUDIT,
    DATA_RIGHTS,
    DECISIONS,
    EVERYTHING,
    OPERATIONS,
    STATE,
    Permission,
    Permissions,
)
from shared.domain.sealing import FieldClass, Sealed
from shared.domain.texts import Code, CommandContext

Minutes = Annotated[int, Field(ge=0, le=1_440)]
"""Minutes, at most a day of them."""

_REFERENCE = r"([A-Z]{1,4}([/-][A-Z]{1,2})?[/-]?)?[0-9]{1,12}(([/-]([A-Z]{1,2}[/-]?)?|[A-Z]{1,2}[/-]?)[0-9]{1,12}){0,4}"

Reference = Annotated[
    ShortText,
    Code(_REFERENCE, "give the reference alone, such as CPS/55/2026/1180: letters, digits, / and -, no spaces"),
]
"""Another agency's number for something: of a crime, a file, a referral. Letters come in short groups, so no name fits."""

_WORDS_OF_ORGANISATIONS: Final = (
    "Academy|Agency|Authority|Board|Borough|Care|Charity|Children|City|Clinic|College|Commission|Community|Constabulary"
    "|Council|County|Department|Education|Families|Force|Foundation|Health|Health[Cc]are|Hospital|Housing|Justice|Office"
    "|Partnership|Police|Practice|Probation|Safeguarding|Schools?|Services?|Social|Society|Support|Surgery|Team|Trust"
    "|University|Victims?|Work|Youth"
)
_KNOWN_ORGANISATIONS: Final = (
    "Barnardo['\u2019]?s|Bournemouth, Christchurch and Poole Council|Catch ?22|Change Grow Live|N(?:ACRO|acro)|NSPCC|Redthread"
    "|Remedi|Turning Point"
)
"""What is called otherwise: charities of the field, and a council with a comma."""
_WORD_OF_NAME: Final = "[A-Za-zÀ-ÖØ-öø-ÿ'&]+"
_ORGANISATION: Final = (
    rf"(?:{_WORD_OF_NAME}[ _-]){{0,5}}(?:{_WORDS_OF_ORGANISATIONS}|{_WORDS_OF_ORGANISATIONS.upper()}"
    rf"|{_KNOWN_ORGANISATIONS}|CAMHS|ICB|MASH|NHS|SSCT|YJS|YOS|YOT)(?:[ _-]{_WORD_OF_NAME}){{0,5}}"
)

Organisation = Annotated[
    ShortText,
    Code(
        _ORGANISATION,
        "give the name of the organisation alone, such as Dorset Police or NHS Dorset, and no person's name",
        case="as given",
    ),
]
"""The name of an organisation: letters alone, and a word in it by which organisations are called, so that no name fits."""

GivenBy = Annotated[
    ShortText,
    Code(
        rf"{_ORGANISATION}|(?:{_WORD_OF_NAME} ){{0,5}}(?:Court|Magistrates|Sessions)",
        "give the force, court or service alone, such as Hampshire Constabulary or Poole Youth Court, and no person's name",
        case="as given",
    ),
]
"""The force, court or service that gave something to a child."""

CrimeNumber = Annotated[
    ShortText, Code(_REFERENCE, "give the crime number alone, such as 55260041001: letters, digits, / and -, no spaces")
]
"""The number under which the police record a crime."""

OffenceCode = Annotated[
    ShortText,
    Code(
        r"[A-Z]{0,3}[0-9]{1,6}[A-Z]{0,2}([/.][0-9]{1,4}[A-Z]?){0,3}",
        "give the code of the offence, such as TH68010 or 04601, without spaces",
    ),
]
"""The Home Office's or the criminal justice system's code of an offence."""

_WORD = "[a-zß-ÿ]+(?:['\u2019-][a-zß-ÿ]+)*"

_POUNDS = "£[0-9]{1,3}(?:,?[0-9]{3}){0,2}"

_CAPITALS = (
    "ABH|Act|Assault|Cannabis|[Cc]lass [A-C]|Code|Communications|Computer|Crime|Criminal|Damage|Dangerous|Disorder|Dogs|Drugs"
    "|Education|Emergency|Firearms|Fraud|GBH|Harassment|Justice|Malicious|Misuse|Offences|Offensive|Order|PC|Part|Person|Police"
    "|Prevention|Protection|Public|Regulations|Road|Schedule|Section|Sexual|Theft|Traffic|Weapons?|Workers"
)
"""What is written with capitals within a title: the words of acts' names, and short names of offences."""

OffenceTitle = Annotated[
    ShortText,
    Code(
        rf"[A-ZÀ-Þ]?{_WORD}(?:(?: |, | - | / )\(?(?:{_WORD}|s?[0-9]{{1,4}}[A-Z]{{0,2}}|{_CAPITALS}|{_POUNDS})\)?){{0,24}}",
        "give the offence's title in law in sentence case, such as Theft from a shop, and no person's name",
        case="as given",
    ),
]
"""What the law calls an offence, in sentence case: a person's name and surname do not fit."""

SchoolUrn = Annotated[ShortText, Code(r"[0-9]{6,7}", "a school's unique reference number has 6 or 7 digits")]
"""The number of a school in the register (England 6 digits, Wales 7)."""

KeyStage = Annotated[ShortText, Code(r"EYFS|KS[1-5]", "give the key stage: EYFS or KS1 to KS5")]
"""The key stage of the pupils (Education Act 2002, s82)."""

LawfulBasis = Annotated[
    ShortText,
    Code(
        "law enforcement|consent|contract|legal obligation|vital interests|public task|legitimate interests",
        "give a lawful basis: law enforcement (DPA 2018 s35), or one of UK GDPR article 6: consent, contract,"
        " legal obligation, vital interests, public task, legitimate interests",
        case="lower",
    ),
]
"""By what law personal data are processed (DPA 2018 s35; UK GDPR article 6)."""

MediaType = Annotated[
    ShortText,
    Code(
        r"(application/(pdf|zip|msword|rtf|vnd\.ms-(excel|outlook|powerpoint)"
        r"|vnd\.openxmlformats-officedocument\.(wordprocessingml\.document|spreadsheetml\.sheet"
        r"|presentationml\.presentation)|vnd\.oasis\.opendocument\.(text|spreadsheet|presentation))"
        r"|audio/(mpeg|mp4|ogg|wav|webm)|image/(gif|heic|heif|jpeg|png|tiff|webp)|message/rfc822|text/(csv|html|plain)"
        r"|video/(mp4|mpeg|quicktime|webm))",
        "give the document's media type, such as application/pdf or image/png",
        case="lower",
    ),
]
"""What kind of file a document is (RFC 6838): what is handed in as evidence or correspondence."""
EARLIEST_BIRTH: Final = date(1900, 1, 1)
"""Nobody whom a service knows was born before."""


RECORD_IDS: Final = ("case_id", "referral_id", "disposal_id")
"""The fields of events that name a case or a record: none of these ids is a person's."""

INHERITED_LABELS: Final = frozenset({"area"})
"""The labels that every record takes from the actor who opens it: the area of a token bounds what it may reach."""


_WORDS: Final = read_beside(__file__, "vocabulary.toml")["sentences"]
WORDS: Final[Mapping[str, str]] = _WORDS["codes"] | _WORDS["sealed"]
"""Codes and names of sealed fields as they stand within a sentence, if their own letters do not say it (`shared.domain.sentences`)."""


class Role(StrEnum):
    """Who may act; SYSTEM is for reactions and comes from no token."""

    SAFE_SCHOOLS_OFFICER = "SAFE_SCHOOLS_OFFICER"
    INTERNET_SAFETY_OFFICER = "INTERNET_SAFETY_OFFICER"
    YJS_CASE_MANAGER = "YJS_CASE_MANAGER"
    RJ_FACILITATOR = "RJ_FACILITATOR"
    POLICE_DECISION_MAKER = "POLICE_DECISION_MAKER"
    SUPERVISOR = "SUPERVISOR"
    VICTIM_WORKER = "VICTIM_WORKER"
    AUDITOR = "AUDITOR"
    ANALYST = "ANALYST"
    DATA_PROTECTION_OFFICER = "DATA_PROTECTION_OFFICER"
    SCHOOL = "SCHOOL"
    AGENCY = "AGENCY"
    """The program of an agency that is no school: it refers, and follows what it referred. Nobody signs in with it."""
    MESSENGER = "MESSENGER"
    """The program that writes to people. It has no sign-in."""
    INVITED = "INVITED"
    """Somebody who uses a page without signing in; the console calls the APIs in this role: to see an appointment by its link, or to report."""
    SYSTEM = "SYSTEM"


PROGRAMS: Final = frozenset({Role.AGENCY, Role.MESSENGER, Role.INVITED, Role.SYSTEM})
"""The roles of programs: no person has one."""


class IncidentType(StrEnum):
    """The types of incident that a referral may report."""

    BULLYING_LOW_LEVEL_ASSAULT = "BULLYING_LOW_LEVEL_ASSAULT"
    ONLINE_SAFETY = "ONLINE_SAFETY"
    DRUGS = "DRUGS"
    THEFT_LOW_LEVEL = "THEFT_LOW_LEVEL"
    ASB = "ASB"
    PERSONAL_SAFETY_ADVICE = "PERSONAL_SAFETY_ADVICE"
    BEHAVIOUR = "BEHAVIOUR"
    INAPPROPRIATE_LANGUAGE = "INAPPROPRIATE_LANGUAGE"
    CRIMINAL_DAMAGE = "CRIMINAL_DAMAGE"
    OTHER = "OTHER"


class Flag(StrEnum):
    """What makes an incident graver, or another team's business."""

    INJURY_SERIOUS = "INJURY_SERIOUS"
    WEAPON = "WEAPON"
    HATE = "HATE"
    SEXUAL = "SEXUAL"
    EXPLOITATION = "EXPLOITATION"
    DRUG_CLASS_A = "DRUG_CLASS_A"
    DRUG_SUPPLY = "DRUG_SUPPLY"
    DOMESTIC = "DOMESTIC"
    AGE_GAP = "AGE_GAP"
    PATTERN = "PATTERN"
    REPEAT = "REPEAT"
    INDICTABLE_ONLY = "INDICTABLE_ONLY"
    NUDE_IMAGERY = "NUDE_IMAGERY"
    KNIFE = "KNIFE"


Flags = Annotated[tuple[Flag, ...], Field(max_length=len(Flag))]
"""The flags of an incident, or of the case that it led to."""


class AlertKind(StrEnum):
    """What anyone who works with a person must know before they meet."""

    RISK_TO_STAFF = "RISK_TO_STAFF"
    CHILD_PROTECTION_PLAN = "CHILD_PROTECTION_PLAN"
    CARE_EXPERIENCED = "CARE_EXPERIENCED"
    EXPLOITATION = "EXPLOITATION"
    SELF_HARM = "SELF_HARM"
    NO_LONE_VISIT = "NO_LONE_VISIT"
    COMMUNICATION_NEED = "COMMUNICATION_NEED"


class PersonRole(StrEnum):
    """The parts that a person may have in an incident."""

    HARMER = "HARMER"
    HARMED = "HARMED"
    WITNESS = "WITNESS"
    PARENT_CARER = "PARENT_CARER"
    PROFESSIONAL = "PROFESSIONAL"
    SUPPORTER = "SUPPORTER"


class Category(StrEnum):
    """The category of a person (DPA 2018 s38(3), and ours)."""

    SUSPECT = "SUSPECT"
    CONVICTED = "CONVICTED"
    VICTIM = "VICTIM"
    WITNESS = "WITNESS"
    DISPOSED_OOC = "DISPOSED_OOC"
    CHILD_UNDER_10 = "CHILD_UNDER_10"
    PARENT_CARER = "PARENT_CARER"
    PROFESSIONAL = "PROFESSIONAL"
    SUPPORTER = "SUPPORTER"


CHILDREN: Final = frozenset({"SUSPECT", "CONVICTED", "DISPOSED_OOC", "CHILD_UNDER_10", "HARMER", "CHILD", "SUBJECT"})
ADULTS: Final = frozenset({"PARENT_CARER", "PROFESSIONAL", "SUPPORTER"})
OTHERS: Final = frozenset({"VICTIM", "HARMED", "WITNESS"})


def not_for(parts: Collection[str]) -> Any:
    """Return the mark of a field of a command, for its schema: people with these parts in the case are not meant."""
    return Field(json_schema_extra={"x-not-for": [*sorted(parts)]})


ChildId = Annotated[UUID, not_for(ADULTS | OTHERS)]
"""The child whom a command is about."""
NotTheChildId = Annotated[UUID, not_for(CHILDREN)]
"""Somebody else than the child, such as a victim."""
OfficerId = Annotated[UUID, Field(json_schema_extra={"x-handed-to": True})]
"""The officer who gets a record."""


class TriageOutcome(StrEnum):
    """The outcomes of triage: what happens with a referral."""

    ACCEPT_INTERVENTION = "ACCEPT_INTERVENTION"
    ADVICE_ONLY = "ADVICE_ONLY"
    SCHOOL_LED = "SCHOOL_LED"
    REFER_DISPOSAL_PANEL = "REFER_DISPOSAL_PANEL"
    REFER_MASH = "REFER_MASH"
    REFER_INVESTIGATION = "REFER_INVESTIGATION"
    REFER_EARLY_HELP = "REFER_EARLY_HELP"
    SIGNPOST = "SIGNPOST"
    REJECT_OUT_OF_SCOPE = "REJECT_OUT_OF_SCOPE"
    DUPLICATE = "DUPLICATE"


class Topic(StrEnum):
    """The topics of education and of the workshops."""

    ONLINE_SAFETY = "ONLINE_SAFETY"
    ALCOHOL_AND_DRUGS = "ALCOHOL_AND_DRUGS"
    ANTI_BULLYING = "ANTI_BULLYING"
    ANTI_SOCIAL_BEHAVIOUR = "ANTI_SOCIAL_BEHAVIOUR"
    CHILD_SEXUAL_EXPLOITATION = "CHILD_SEXUAL_EXPLOITATION"
    DIVERSITY = "DIVERSITY"
    DOMESTIC_ABUSE = "DOMESTIC_ABUSE"
    FIREARMS = "FIREARMS"
    GANG_CULTURE = "GANG_CULTURE"
    VIOLENT_EXTREMISM = "VIOLENT_EXTREMISM"
    WEAPONS = "WEAPONS"
    RETAIL = "RETAIL"
    DRUGS_WORKSHOP = "DRUGS_WORKSHOP"


class SessionKind(StrEnum):
    """The kinds of session, by those for whom it is held."""

    ONE_TO_ONE = "ONE_TO_ONE"
    GROUP = "GROUP"
    PARENT = "PARENT"
    STAFF = "STAFF"
    WORKSHOP = "WORKSHOP"


class TrialMode(StrEnum):
    """How an offence is tried; it bounds penalties and time limits."""

    SUMMARY = "SUMMARY"
    EITHER_WAY = "EITHER_WAY"
    INDICTABLE_ONLY = "INDICTABLE_ONLY"


class Disposal(StrEnum):
    """The out-of-court disposals: youth restorative disposal, youth caution and youth conditional caution."""

    YRD = "YRD"
    YC = "YC"
    YCC = "YCC"


class Recommendation(StrEnum):
    """What a panel may recommend and the police decide."""

    YRD = "YRD"
    YC = "YC"
    YCC = "YCC"
    OUTCOME_21 = "OUTCOME_21"
    OUTCOME_22 = "OUTCOME_22"
    DEFERRED_PROSECUTION = "DEFERRED_PROSECUTION"
    CHARGE = "CHARGE"
    NO_FURTHER_ACTION = "NO_FURTHER_ACTION"
    ADULT_PROCESS = "ADULT_PROCESS"


class MemberKind(StrEnum):
    """Whom a member of the panel stands for. Police and youth justice service (YJS) are its quorum (rule P1)."""

    POLICE = "POLICE"
    YJS = "YJS"
    SSCT = "SSCT"
    HEALTH = "HEALTH"
    EDUCATION = "EDUCATION"
    SOCIAL_CARE = "SOCIAL_CARE"
    VICTIM_WORKER = "VICTIM_WORKER"


class ConditionType(StrEnum):
    """The types of condition. Each has its flags, limits and words in `services/disposal/domain/conditions`."""

    RETAIL_WORKSHOP = "RETAIL_WORKSHOP"
    DRUGS_WORKSHOP = "DRUGS_WORKSHOP"
    SUBSTANCE_ASSESSMENT = "SUBSTANCE_ASSESSMENT"
    RJ_CONFERENCE = "RJ_CONFERENCE"
    LETTER_OF_APOLOGY = "LETTER_OF_APOLOGY"
    REPARATION_HOURS = "REPARATION_HOURS"
    COMPENSATION = "COMPENSATION"
    YJS_SESSIONS = "YJS_SESSIONS"
    FINANCIAL_PENALTY = "FINANCIAL_PENALTY"
    RESTRICTIVE = "RESTRICTIVE"
    CURFEW = "CURFEW"


class OffenceCategory(StrEnum):
    """The kind of an offence, by which returns group it; KPI 9 counts drugs, robbery and violence."""

    THEFT = "THEFT"
    DRUGS = "DRUGS"
    VIOLENCE = "VIOLENCE"
    ROBBERY = "ROBBERY"
    DAMAGE = "DAMAGE"
    SEXUAL = "SEXUAL"
    WEAPONS = "WEAPONS"
    OTHER = "OTHER"


class ConditionObject(StrEnum):
    """The objects that a condition may have (CDA 1998 s66A(3))."""

    REHABILITATION = "REHABILITATION"
    REPARATION = "REPARATION"
    PUNISHMENT = "PUNISHMENT"


class AttendanceStatus(StrEnum):
    """How a booked place ended for the child.

    DNA: did not attend, with an acceptable, an unacceptable or a pending reason.
    """

    ATTENDED = "ATTENDED"
    ATTENDED_LATE = "ATTENDED_LATE"
    LEFT_EARLY = "LEFT_EARLY"
    EXCLUDED_CONDUCT = "EXCLUDED_CONDUCT"
    DNA_ACCEPTABLE = "DNA_ACCEPTABLE"
    DNA_UNACCEPTABLE = "DNA_UNACCEPTABLE"
    DNA_PENDING = "DNA_PENDING"
    CANCELLED_BY_SERVICE = "CANCELLED_BY_SERVICE"


class AppropriateAdultKind(StrEnum):
    """Who may be an appropriate adult (CDA 1998 s66ZA(7))."""

    PARENT_GUARDIAN = "PARENT_GUARDIAN"
    CARE_REPRESENTATIVE = "CARE_REPRESENTATIVE"
    SOCIAL_WORKER = "SOCIAL_WORKER"
    RESPONSIBLE_ADULT = "RESPONSIBLE_ADULT"


class BreachDecision(StrEnum):
    """The decisions on a breach: the caution goes on (excused, varied, extended), closes, or prosecution follows."""

    EXCUSED = "EXCUSED"
    VARY = "VARY"
    EXTEND = "EXTEND"
    NO_PROCEEDINGS = "NO_PROCEEDINGS"
    PROSECUTE = "PROSECUTE"


class ConferenceMode(StrEnum):
    """The ways in which the parties of a conference meet or exchange words."""

    DIRECT_CONFERENCE = "DIRECT_CONFERENCE"
    SHUTTLE = "SHUTTLE"
    LETTER_EXCHANGE = "LETTER_EXCHANGE"
    REPRESENTATIVE = "REPRESENTATIVE"


class ConferenceCategory(StrEnum):
    """The kinds of incident that a conference deals with."""

    BULLYING = "BULLYING"
    SHOPLIFTING = "SHOPLIFTING"
    DRUGS_POSSESSION = "DRUGS_POSSESSION"
    OTHER = "OTHER"


class OutcomeCode(StrEnum):
    """The Home Office codes of crime outcomes, 1 to 23."""

    C1 = "1"
    C1A = "1A"
    C2 = "2"
    C2A = "2A"
    C3 = "3"
    C3A = "3A"
    C4 = "4"
    C5 = "5"
    C6 = "6"
    C7 = "7"
    C8 = "8"
    C9 = "9"
    C10 = "10"
    C11 = "11"
    C12 = "12"
    C13 = "13"
    C14 = "14"
    C15 = "15"
    C16 = "16"
    C17 = "17"
    C18 = "18"
    C19 = "19"
    C20 = "20"
    C21 = "21"
    C22 = "22"
    C23 = "23"


class Regime(StrEnum):
    """The law under which an event is processed (DPA 2018 part 3, or UK GDPR)."""

    LE_PART3 = "LE_PART3"
    UK_GDPR = "UK_GDPR"


LAW_ENFORCEMENT: Final[Mapping[str, str]] = {"regime": Regime.LE_PART3.value}
"""The label of the events of a service that serves law enforcement throughout (DPA 2018 part 3)."""


def _can_be_a_birth_date(day: date, info: ValidationInfo) -> date:
    """Check a birth date that a command brings; what stands in an event is read as it stands."""
    if isinstance(info.context, CommandContext) and not EARLIEST_BIRTH <= day <= info.context.received_on:
        raise ValueError(f"nobody was born on that day: give one from {EARLIEST_BIRTH.year} to today")
    return day


BirthDate = Annotated[date, AfterValidator(_can_be_a_birth_date)]
"""The day on which a person was born: in a command, from 1900 to the day on which it is received."""


class SearchKind(StrEnum):
    """The kinds of text by which cases are searched."""

    NAME = "name"
    """Words of a person's name in any order, or their beginnings."""
    DATE_OF_BIRTH = "date_of_birth"
    """The day on which a person was born."""
    TELEPHONE = "telephone"
    """The telephone number of a person who was not harmed."""
    SCHOOL = "school"
    """The unique reference number of the school of an incident or of a person."""
    REFERENCE = "reference"
    """The number that MASH, a prosecutor or a court gave."""
    CRIME_NUMBER = "crime_number"
    """The number under which the police recorded the crime."""
    CASE = "case"
    """The id of a case or of a record of it, or how it begins."""
    PERSON = "person"
    """The id of a person, or of one with whom they are merged."""


class Personal(FieldClass):
    """The class of a sealed field, by which a role may read it (docs/reference/access.md). Each sealed field names its own."""

    IDENTITY = "IDENTITY"
    """Who somebody is: name and birth date."""
    VICTIM_IDENTITY = "VICTIM_IDENTITY"
    """The same of somebody who was harmed."""
    CONTACT = "CONTACT"
    """Where somebody lives and how they are reached."""
    VICTIM_CONTACT = "VICTIM_CONTACT"
    """The same of somebody who was harmed, and how and when it is safe to reach them."""
    CHARACTERISTICS = "CHARACTERISTICS"
    """Ethnicity and needs (special categories: DPA 2018 s35(8), UK GDPR article 9)."""
    NARRATIVE = "NARRATIVE"
    """What happened, what somebody thinks of it, and evidence for it."""
    VICTIM_VIEW = "VICTIM_VIEW"
    """What somebody who was harmed said of a disposal, and to whom they were referred for support."""
    REASONS = "REASONS"
    """Why something was decided, done or corrected."""
    CONDITIONS = "CONDITIONS"
    """What a condition asks, or a term of an agreement."""
    PLACE = "PLACE"
    """Where a session or a conference is."""


VICTIM_CONTACT: Final = frozenset({Personal.VICTIM_CONTACT})
"""How somebody who was harmed is reached."""

VICTIMS_OWN: Final = frozenset({Personal.VICTIM_IDENTITY, Personal.VICTIM_CONTACT, Personal.VICTIM_VIEW})
"""All that is sealed of somebody who was harmed, and nothing of the child."""

CASE_FIELDS: Final = frozenset(Personal) - VICTIM_CONTACT
"""What is read with a record: every class but `VICTIM_CONTACT`."""

AUDITED_FIELDS: Final = frozenset({Personal.REASONS, Personal.CONDITIONS})
"""What an auditor reads by replay: why each thing was decided, and on what terms. That needs nobody's name."""


EXPLAINS_A_DIFFERENCE: Final = "N1"
"""The rule whose rationale says why a record holds other details of a person than another one."""


LEADS_IN_THE_CASE: Final = ("rj_conference.CHOSEN:{id}", "rj_conference.OFFICER:{id}")
"""The marks by which the facilitator of a conference reads the other records of its case."""
NOT_BY_PROPOSING: Final = ((LEADS_IN_THE_CASE[1], "rj_conference.PROPOSER:{id}"),)
"""Nobody opens a case to themselves by proposing a conference in it: then somebody else must choose them."""


OVERSIGHT: Final[Permissions] = {
    Role.SUPERVISOR: Permission(EVERYTHING | DECISIONS, opens=CASE_FIELDS),
    Role.AUDITOR: Permission(EVERYTHING | OPERATIONS | AUDIT, needs_reason=True, opens=AUDITED_FIELDS),
    Role.DATA_PROTECTION_OFFICER: Permission(EVERYTHING | AUDIT | DATA_RIGHTS, needs_reason=True, opens=CASE_FIELDS),
}
"""What those who oversee may read of every deciding service; a service may add to it."""


WHEN_AND_WHERE: Final = Permission(
    STATE, fields=frozenset({"state", "starts_at", "details"}), opens=frozenset({Personal.PLACE})
)
"""What is read of an appointment to write to people, and by them: never what it is about, or who else comes."""


ETHNIC_GROUPS: Final = (
    "W1 White: English, Welsh, Scottish, Northern Irish or British",
    "W2 White: Irish",
    "W3 White: Gypsy or Irish Traveller",
    "W9 White: any other White background",
    "M1 Mixed: White and Black Caribbean",
    "M2 Mixed: White and Black African",
    "M3 Mixed: White and Asian",
    "M9 Mixed: any other Mixed background",
    "A1 Asian or Asian British: Indian",
    "A2 Asian or Asian British: Pakistani",
    "A3 Asian or Asian British: Bangladeshi",
    "A4 Asian or Asian British: Chinese",
    "A9 Asian or Asian British: any other Asian background",
    "B1 Black or Black British: Caribbean",
    "B2 Black or Black British: African",
    "B9 Black or Black British: any other Black background",
    "O2 Other ethnic group: Arab",
    "O9 Other ethnic group: any other",
    "NS Not stated",
)
"""The 18+1 self-defined ethnic groups, which a form offers. Earlier records and other programs may say it in other words."""


class PersonKind(StrEnum):
    """Whether somebody with a part in an incident is a person, or an organisation such as a shop."""

    PERSON = "PERSON"
    ORGANISATION = "ORGANISATION"


class Channel(StrEnum):
    """How somebody would like to be reached."""

    PHONE = "PHONE"
    SMS = "SMS"
    EMAIL = "EMAIL"
    LETTER = "LETTER"


class Language(StrEnum):
    """The languages in which messages are written; `ANOTHER_LANGUAGE`: one without texts, so that an interpreter tells."""

    ENGLISH = "ENGLISH"
    WELSH = "WELSH"
    ANOTHER_LANGUAGE = "ANOTHER_LANGUAGE"


class MessageTemplate(StrEnum):
    """What a message says. None names an offence."""

    PLACE_BOOKED = "PLACE_BOOKED"
    PLACE_REMINDER = "PLACE_REMINDER"
    PLACE_MOVED = "PLACE_MOVED"
    PLACE_MISSED = "PLACE_MISSED"
    PLACE_CANCELLED = "PLACE_CANCELLED"
    CONFERENCE_PLANNED = "CONFERENCE_PLANNED"
    CONFERENCE_REMINDER = "CONFERENCE_REMINDER"
    CONFERENCE_CANCELLED = "CONFERENCE_CANCELLED"
    CONDITION_DUE = "CONDITION_DUE"
    VICTIM_DECISION = "VICTIM_DECISION"
    VICTIM_CONFERENCE = "VICTIM_CONFERENCE"
    SEVERAL = "SEVERAL"
    PLEASE_RING = "PLEASE_RING"
    TRIED_TO_RING = "TRIED_TO_RING"
    PAPERS_SENT = "PAPERS_SENT"


Telephone = Annotated[
    FreeText,
    Code(
        r"\+?\(?([0-9][ ()-]{0,2}){6,14}[0-9]",
        "give one telephone number alone, such as 01632 960018: digits, spaces and a leading + only",
    ),
]
"""A telephone number, as it is written in Britain or with the code of a country (E.164)."""

Email = Annotated[
    FreeText,
    Code(
        r"[A-Za-z0-9.!#$%&'*+/=?^_~-]{1,64}@([A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}",
        "give one e-mail address alone, such as robin.doe@example.org",
        case="as given",
    ),
]
"""An e-mail address, with a domain of two parts or more."""


class PartyDetails(ValueObject):
    """Who has a part in an incident, a person or an organisation: sealed under the own key, save clear codes.

    A person has a date of birth; an organisation has none, and somebody to speak to.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Robin Doe", "date_of_birth": "2011-03-14"}]})

    kind: Added[PersonKind] = None
    """None: a person."""
    name: Annotated[Sealed[FreeText], Personal.IDENTITY]
    contact_person: Annotated[Added[Sealed[FreeText]], Personal.IDENTITY] = None
    date_of_birth: Annotated[Sealed[BirthDate] | None, Personal.IDENTITY] = None
    address: Annotated[Sealed[FreeText] | None, Personal.CONTACT] = None
    contact: Annotated[Sealed[FreeText] | None, Personal.CONTACT] = None
    telephone: Annotated[Added[Sealed[Telephone]], Personal.CONTACT] = None
    email: Annotated[Added[Sealed[Email]], Personal.CONTACT] = None
    preferred_channel: Added[Channel] = None
    language: Annotated[Added[Sealed[FreeText]], Personal.CHARACTERISTICS] = None
    school_urn: SchoolUrn | None = None
    ethnicity: Annotated[
        Sealed[FreeText] | None, Personal.CHARACTERISTICS, Field(json_schema_extra={"x-choices": list(ETHNIC_GROUPS)})
    ] = None
    needs: Annotated[Sealed[tuple[FreeText, ...]] | None, Personal.CHARACTERISTICS] = None
    sex: Annotated[Added[Sealed[Literal["F", "M", "UNKNOWN"]]], Personal.CHARACTERISTICS] = None
    interpreter: Annotated[Added[Sealed[FreeText]], Personal.CHARACTERISTICS] = None
    """The language for which the person needs an interpreter."""

    @property
    def is_organisation(self) -> bool:
        return self.kind is PersonKind.ORGANISATION

    @model_validator(mode="after")
    def _only_a_person_is_born(self) -> Self:
        if self.is_organisation and self.date_of_birth is not None:
            raise ValueError("date_of_birth: an organisation has none: leave it out")
        if not self.is_organisation and self.date_of_birth is None:
            raise ValueError("date_of_birth: give the day on which the person was born")
        return self


class PersonDetails(PartyDetails):
    """Who a person is."""

    date_of_birth: Annotated[Sealed[BirthDate], Personal.IDENTITY]


class FieldCorrection(CorrectionCommand):
    """What a field of an earlier event should have been: `field` is a dotted path, `value` in JSON of that field's type."""

    @field_validator("value")
    @classmethod
    def _birth_date_can_be(cls, value: Any, info: ValidationInfo) -> Any:
        """Hold a corrected birth date to the same days as a first one; a value of another type is for the rules."""
        if str(info.data.get("field")).rpartition(".")[2] == "date_of_birth" and isinstance(value, str):
            try:
                day = date.fromisoformat(value)
            except ValueError:
                return value
            _can_be_a_birth_date(day, info)
        return value
