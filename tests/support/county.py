"""A small directory of agencies in a made-up county, for tests that need one without a stack."""

from shared.contracts.directory import AgencyChanged, Directory

COUNTY, TOWN, VILLAGE = "239901000000", "239901100000", "239901100201"


def agency(code: str, department: str, region: str, superior: str | None = None, **more: object) -> AgencyChanged:
    fields = {"name": code, "phone": "", "active": True, "version": 0} | more
    return AgencyChanged(agency=code, department=department, region=region, superior=superior, **fields)  # type: ignore[arg-type]


AGENCIES = (
    agency("jc-city", "joint_conference", "239900000000"),
    agency("jc-county", "joint_conference", COUNTY, "jc-city"),
    agency("police-city", "police", "239900000000"),
    agency("police-county", "police", COUNTY, "police-city"),
    agency("civil-county", "civil_affairs", COUNTY),
    agency("edu-county", "education", COUNTY),
    agency("town-qinghe", "township", TOWN),
    agency("operations", "operations", "239900000000"),
)
DIRECTORY = Directory({entry.agency: entry for entry in AGENCIES})
