"""A sandbox Moodle: a small HTTP server that answers Moodle's web service as a real Moodle does.

The demo runs it so that a visitor can change a university and watch the rooms follow; tests run it instead of a
Moodle. It is an implementation of its own, made from recorded answers of Moodle 4.4 and 5.1 and from Moodle's
documented behaviour, and it imports nothing from the rest of this package: a misunderstanding in the reader of
Moodle's answers is not repeated here.

    university   what is true: courses, people, enrolments, groups        (records, university, seed)
    term         half a year in it, replayed at any speed                 (term, history, changes)
    site         what an administrator set up: rights, token, service     (site, rights, versions)
    reports      custom reports and how they become tables                (report_*)
    functions    what the web service says about it to this caller        (session, *_answers, person_details)
    service      how a request gets there, and how it may go wrong        (service, wire, parameters, errors, faults)
    page         a page for people to change the university               (page, page_html)
"""

from .changes import Change, Kind
from .faults import Fault, Faults
from .rights import LEAST_PRIVILEGE, Rights
from .seed import generate, small_university
from .server import SandboxMoodle
from .site import ExternalService, Site, Token
from .term import Term
from .university import University

__all__ = [
    "LEAST_PRIVILEGE",
    "Change",
    "ExternalService",
    "Fault",
    "Faults",
    "Kind",
    "Rights",
    "SandboxMoodle",
    "Site",
    "Term",
    "Token",
    "University",
    "generate",
    "small_university",
]
