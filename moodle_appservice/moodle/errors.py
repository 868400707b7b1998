"""What can go wrong with Moodle: one class per situation, so that a caller and a reader can tell them apart.

Each class is a `MoodleTemporary` (asking again later may help) or a `MoodlePermanent` (somebody has to change
something first) and carries its own sentence and its own hint. Moodle's own words are quoted without markup, capped,
and without debugging output. Every function that we call only reads, so no failure here has changed anything.
`whole_site` marks what would hit every other call just the same.
"""

from __future__ import annotations

from typing import ClassVar

from ..errors import AppError, CourseGone, PermanentFailure, TemporaryFailure, Unreachable


class MoodleError(AppError):
    """A call of a Moodle function that gave no usable answer. `function` is its name; it never holds a token."""

    happened: ClassVar[str] = "Moodle gave no usable answer"
    hint: str = ""
    whole_site: ClassVar[bool] = False
    function: str = ""

    def sentences(self, function: str, about: str, said: str, detail: str) -> str:
        """What happened, to what, what Moodle said, what was left untouched and what to do next."""
        subject = f" for {about}" if about else ""
        quote = f' Moodle said: "{said}".' if said else ""
        hint = f" {self.hint}" if self.hint else ""
        if detail:
            return f"{self.happened} ({function}{subject}): {detail}.{quote} Nothing was changed." + hint
        return f"{self.happened} ({function}{subject}).{quote} Nothing was changed." + hint


class MoodleTemporary(MoodleError, TemporaryFailure):
    """A failure that may be gone at the next try. `retry_after`: seconds that the other side asked for, or None.

    `about` is what was asked for, `said` are Moodle's own words, `detail` is what we saw of the exchange.
    """

    def __init__(
        self,
        function: str,
        *,
        about: str = "",
        said: str = "",
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        message = self.sentences(function, about, said, detail)
        TemporaryFailure.__init__(self, message, retry_after=retry_after)
        self.function = function


class MoodlePermanent(MoodleError, PermanentFailure):
    """A failure that stays until somebody changes something in Moodle, in front of it or in our configuration.

    `about` is what was asked for, `said` are Moodle's own words, `detail` is what we saw of the exchange.
    """

    def __init__(self, function: str, *, about: str = "", said: str = "", detail: str = "") -> None:
        PermanentFailure.__init__(self, self.sentences(function, about, said, detail))
        self.function = function


# The way to Moodle


class ConnectionLost(MoodleTemporary, Unreachable):
    """No connection, or it was cut before the answer was complete."""

    happened = "The connection to Moodle failed"
    hint = "Check that the server runs and can be reached from here; it is tried again by itself."
    whole_site = True


class TimedOut(MoodleTemporary, Unreachable):
    """The answer was not complete within the time limit, however slowly it kept dripping."""

    happened = "Moodle did not finish its answer in time"
    hint = "It is tried again by itself; if it stays, raise the time limit or ask for less at once."
    whole_site = True


class CertificateRefused(MoodleTemporary, Unreachable):
    """The server's TLS certificate is not one that we trust."""

    happened = "Moodle's TLS certificate was refused, so the token was not sent"
    hint = "Check the address, and renew the certificate or trust its authority on this machine."
    whole_site = True


class GatewayFailed(MoodleTemporary):
    """502, 503 or 504: the web server is there, PHP behind it is not, or not in time."""

    happened = "The web server in front of Moodle got no answer from Moodle"
    hint = "PHP may be down or overloaded; it is tried again by itself."
    whole_site = True


class TooManyRequests(MoodleTemporary):
    """429: something in front of Moodle limits how often we may ask."""

    happened = "Moodle's server refused because we asked too often"
    hint = "Lower the number of requests per minute in the configuration."
    whole_site = True


class Redirected(MoodlePermanent):
    """3xx: we do not follow, a redirected POST loses its parameters and may carry the token elsewhere."""

    happened = "Moodle's server redirected us instead of answering"
    hint = (
        "The address in the configuration is probably not exactly the site's own ($CFG->wwwroot): http instead of"
        " https, another host name, or a missing path. Use the address that the redirect names."
    )
    whole_site = True


class NotAMoodle(MoodlePermanent):
    """404: there is no web service entry at this address."""

    happened = "There is no Moodle web service at the configured address"
    hint = "The address must be the site's own, with its path if it has one, e.g. https://uni.example/moodle."
    whole_site = True


class AccessBlocked(MoodlePermanent):
    """401 or 403 with a page: a proxy, a firewall or a login gate answered in Moodle's place."""

    happened = "Something in front of Moodle refused the request"
    hint = "Allow POST requests from this machine to /webservice/rest/server.php."
    whole_site = True


class UnexpectedStatus(MoodlePermanent):
    """An HTTP status that Moodle's web service never gives."""

    happened = "Moodle's server answered with an HTTP status that its web service never gives"
    hint = "Look into the web server's log for this request."
    whole_site = True


# The whole site


class WebServicesOff(MoodlePermanent):
    """403 without a body: web services or the REST protocol are switched off."""

    happened = "Web services, or the REST protocol, are switched off in Moodle"
    hint = (
        "Switch on Site administration > Advanced features > Enable web services, and REST under"
        " Server > Web services > Manage protocols."
    )
    whole_site = True


class Maintenance(MoodleTemporary):
    """The site is in maintenance mode or is being upgraded."""

    happened = "Moodle is in maintenance mode"
    hint = "It is tried again by itself."
    whole_site = True


class DatabaseDown(MoodleTemporary):
    """Moodle can't reach or use its own database."""

    happened = "Moodle has trouble with its own database"
    hint = "It is tried again by itself; Moodle's administrators should look at the database."
    whole_site = True


class InvalidToken(MoodlePermanent):
    """Moodle does not know the token. An expired one is deleted at its first use and unknown from then on."""

    happened = "Moodle does not know our token"
    hint = "Make a new token under Server > Web services > Manage tokens and put it into the configuration."
    whole_site = True


class AccountUnusable(MoodlePermanent):
    """The account behind the token is deleted, suspended, unconfirmed, expired or set to no login."""

    happened = "The Moodle account behind our token can't be used"
    hint = "Make the account active and confirmed, with an authentication method that is enabled."
    whole_site = True


# One call


class AccessDenied(MoodlePermanent):
    """`accessexception`: Moodle gives the same answer for all of the causes in the hint."""

    happened = "Moodle refused the call without saying why"
    hint = (
        "The causes are: this address is not allowed by the token's IP restriction; the account lacks"
        " webservice/rest:use at the system; the function is not in the service, or the service is switched off; the"
        " account is not among the service's authorised users. An expired token gives this answer once, too."
    )


class FunctionMissing(MoodlePermanent):
    """The function is not among those that the token may call, or this Moodle has no such function."""

    happened = "The Moodle service of our token does not have this function"
    hint = "Add it under Server > Web services > External services > Functions."


class RecordMissing(MoodlePermanent):
    """`invalidrecord`, `invalidrecordunknown`: what was asked for, or the function itself, does not exist."""

    happened = "Moodle can't find what was asked for, or has no such function"
    hint = "It may just have been deleted, which the next look shows. If it stays, look for it in Moodle."


class CourseMissing(MoodlePermanent, CourseGone):
    """The course does not exist: two functions said so."""

    happened = "The course does not exist in Moodle"
    hint = "If it was deleted by mistake, the recycle bin of its category brings it back."


class CourseNotAccessible(MoodlePermanent):
    """`errorcoursecontextnotvalid`: the course exists, but our account may not enter it."""

    happened = "Our Moodle account may not enter the course"
    hint = (
        "It needs moodle/course:view, for hidden courses moodle/course:viewhiddencourses too, and must have agreed"
        " to the site's policies."
    )


class MissingCapability(MoodlePermanent):
    """`nopermissions`: Moodle names the missing right only in the words of its interface."""

    happened = "Our Moodle account lacks a right"
    hint = "For participants it is moodle/course:enrolreview. Add it to the role of our account."


class ReportNotShared(MoodlePermanent):
    """`errorreportview`: the report exists, but our account is not in its audience."""

    happened = "Our Moodle account may not see the report"
    hint = "Open the report, then the tab Audience, and add our account there under Manually added users."
    whole_site = True


class InvalidParameter(MoodlePermanent):
    """`invalidparameter`, `invaliduserfield`, `codingerror`: Moodle did not take what we sent."""

    happened = "Moodle did not accept the parameters of the call"
    hint = "This Moodle differs from those that we know: please report its version and this message."


class InvalidResponse(MoodlePermanent):
    """`invalidresponse`: one record that breaks Moodle's own rules makes it refuse the whole answer."""

    happened = "Moodle could not send its own answer because a record in it breaks Moodle's rules"
    hint = "With developer debugging on, calling the function in Moodle shows which record it is."


class PhpException(MoodlePermanent):
    """An exception without an error code, such as PHP's `Error`: a bug in Moodle or in a plugin."""

    happened = "A programming error in Moodle or in one of its plugins stopped the call"
    hint = "Moodle's administrators find it in the PHP log."


class OtherException(MoodlePermanent):
    """An error code that has no class of its own here."""

    happened = "Moodle refused the call"
    hint = "If its words don't say why, look into Moodle's PHP log at this time."


class ServerCrashed(MoodleTemporary):
    """500, usually with an empty body: PHP stopped, for want of memory or by a fatal error."""

    happened = "Moodle crashed while it worked on the call"
    hint = "The reason stands in Moodle's PHP log, often a memory limit."


# The answer itself


class HtmlInsteadOfJson(MoodleTemporary):
    """200 with a page: a login gate, a proxy's notice, an upgrade screen."""

    happened = "A web page came back instead of an answer"
    hint = "A proxy, a login gate or an upgrade may have answered. Check that the address is Moodle's own."


class EmptyAnswer(MoodleTemporary):
    """200 without a body: PHP ended before it wrote anything."""

    happened = "Moodle's answer was empty"
    hint = "If it stays, look into Moodle's PHP log."


class AnswerCutShort(MoodleTemporary):
    """JSON that ends in the middle."""

    happened = "Moodle's answer ended in the middle"
    hint = "It is tried again by itself; if it stays, a proxy or PHP limits the size of answers."


class AnswerTooLarge(MoodlePermanent):
    """More bytes than we take, counted after decompression: a site too large for the limit, or a gzip bomb."""

    happened = "Moodle's answer was larger than we take, so it was not read to the end"
    hint = "Raise the limit in the configuration if the site is really that large."


class XmlInsteadOfJson(MoodlePermanent):
    """XML: the parameter moodlewsrestformat did not arrive."""

    happened = "Moodle answered in XML, so the parameters of our request did not arrive whole"
    hint = "A proxy in front of Moodle changes POST requests, or PHP's post_max_size is too small."
    whole_site = True


class NotJson(MoodlePermanent):
    """Something that is neither JSON nor a web page, e.g. a PHP error message."""

    happened = "Moodle's answer was not JSON"
    hint = "Another program or a PHP message writes into Moodle's answers: look into Moodle's PHP log."


class WrongCharset(MoodlePermanent):
    """Bytes that are not UTF-8."""

    happened = "Moodle's answer was not UTF-8 text"
    hint = "A proxy in front of Moodle changes or compresses answers in a wrong way."


class BadAnswer(MoodlePermanent):
    """JSON of another shape than the function has: `about` says where."""

    happened = "Moodle's answer does not have the shape that this function has"
    hint = "This Moodle differs from those that we know: please report its version and this message."


# Answers that are well formed and yet not the whole truth


class RightMissing(MoodlePermanent):
    """An answer that Moodle shortened without a word because our account lacks a right. `right` names it."""

    happened = "Moodle left something out of its answer because our account lacks a right"
    hint = "Give the right that the message names to the role of our account."

    def __init__(self, function: str, right: str, *, about: str = "", remedy: str = "") -> None:
        self.right = right
        self.hint = f"Give {right} to the role of our account." + (f" {remedy}" if remedy else "")
        super().__init__(function, about=about)


class ListIncomplete(MoodlePermanent):
    """Moodle counts more participants than it shows us."""

    happened = "Moodle hides at least one participant from our account, so the list is not used"
    hint = (
        "Give moodle/user:viewdetails to the role of our account, in this course too; a plugin that hides profiles"
        " has the same effect."
    )


class ListChanged(MoodleTemporary):
    """Two answers contradict each other: something changed between them."""

    happened = "Moodle's data changed while it was being read"
    hint = "It is read again by itself."


class SourceHeld(PermanentFailure):
    """The list of a course shrank in a way that looks like an accident, and nothing older is known to go on with."""
