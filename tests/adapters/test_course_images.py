"""Where the picture of a course is, as Moodle's listing says it, and that it can be had from there."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.domain.model import CourseId
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.pictures import MoodlePictures
from moodle_appservice.moodle.shapes import COURSES, listing

FILE = {
    "filename": "a picture.png",
    "filepath": "/",
    "filesize": 10,
    "fileurl": "https://moodle.test/webservice/pluginfile.php/31/course/overviewfiles/a%20picture.png",
    "timemodified": 1790000000,
    "mimetype": "image/png",
}
HERE = "31/course/overviewfiles/a%20picture.png?time=1790000000"


def row(*files: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "shortname": "A",
        "fullname": "Algebra",
        "categoryid": 2,
        "visible": 1,
        "format": "topics",
        "startdate": 0,
        "enddate": 0,
        "overviewfiles": list(files),
    }


@pytest.mark.parametrize(
    ("files", "image"),
    [
        ([], ""),
        ([FILE], HERE),
        ([{**FILE, "mimetype": "application/pdf"}, FILE], HERE),
        ([{**FILE, "fileurl": "https://elsewhere.test/picture.png"}], ""),
        ([{**FILE, "fileurl": "https://m.test/pluginfile.php/31/user/private/x.png"}], ""),
        (["odd", None, 5], ""),
        ([{"mimetype": "image/png"}], ""),
    ],
)
def test_the_first_picture_of_the_listing_is_that_of_the_course(files: list[Any], image: str) -> None:
    course = listing({"courses": [row(*files)]}, "en").courses[CourseId(5)]
    assert course.image == image


async def test_the_picture_comes_from_there_and_a_new_one_has_another_name() -> None:
    async with SandboxMoodle() as moodle, aiohttp.ClientSession() as session:
        moodle.site.service.downloadfiles = True
        number = next(iter(sorted(one for one in moodle.university.courses if one != 1)))
        course = moodle.university.courses[number]
        client = MoodleClient(moodle.url, moodle.token, session=session)
        sources = []
        for data in (b"\x89PNG\r\n\x1a\none", b"\x89PNG\r\n\x1a\ntwo"):
            course.set_picture(data)
            listed = listing(await client.call(COURSES), "en").courses[CourseId(number)]
            picture = await MoodlePictures(client).read(listed.image)
            assert (picture.data, picture.content_type) == (data, "image/png")
            sources.append(listed.image)
        assert sources[0] != sources[1]
