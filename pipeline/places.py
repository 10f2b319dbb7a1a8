"""Cities and jobs that can be told apart, in English and Chinese: what :mod:`pipeline.facts` compares.

The cities are those that name a time zone, and the large ones of the table that do not, or that are known under several names.
"""

from __future__ import annotations

from functools import cache, lru_cache
from zoneinfo import available_timezones

import regex

_CITIES = """
Beijing Peking 北京|Shanghai 上海|Guangzhou 广州|Shenzhen 深圳|Chengdu 成都|Hangzhou 杭州|Nanjing 南京|Wuhan 武汉|Xi'an Xian 西安
Suzhou 苏州|Chongqing 重庆|Tianjin 天津|Qingdao 青岛|Xiamen 厦门|Changsha 长沙|Kunming 昆明|Dalian 大连|Harbin 哈尔滨
Hong_Kong 香港|Taipei 台北 臺北|Macau Macao 澳门|Tokyo 东京|Osaka 大阪|Kyoto 京都|Seoul 首尔|Busan 釜山|Singapore 新加坡
Bangkok 曼谷|Mumbai Bombay 孟买|Delhi New_Delhi 德里|Bangalore Bengaluru 班加罗尔|Kolkata Calcutta 加尔各答
Ho_Chi_Minh Saigon Ho_Chi_Minh_City 胡志明市|Hanoi 河内|Jakarta 雅加达|Manila 马尼拉|Kuala_Lumpur 吉隆坡|Sydney 悉尼
Melbourne 墨尔本|Auckland 奥克兰|London 伦敦|Manchester 曼彻斯特|Edinburgh 爱丁堡|Dublin 都柏林|Paris 巴黎|Lyon 里昂
Marseille 马赛|Berlin 柏林|Hamburg 汉堡|Munich München 慕尼黑|Cologne Köln 科隆|Frankfurt 法兰克福|Vienna Wien 维也纳
Zurich Zürich 苏黎世|Geneva Genève 日内瓦|Rome Roma 罗马|Milan Milano 米兰|Venice Venezia 威尼斯|Florence Firenze 佛罗伦萨
Naples Napoli 那不勒斯|Madrid 马德里|Barcelona 巴塞罗那|Valencia 瓦伦西亚|Seville Sevilla 塞维利亚|Lisbon Lisboa 里斯本
Porto 波尔图|Amsterdam 阿姆斯特丹|Brussels Bruxelles 布鲁塞尔|Copenhagen København 哥本哈根|Stockholm 斯德哥尔摩|Oslo 奥斯陆
Helsinki 赫尔辛基|Prague Praha 布拉格|Warsaw Warszawa 华沙|Kraków Krakow|Budapest 布达佩斯|Athens 雅典|Istanbul 伊斯坦布尔
Moscow 莫斯科|Kyiv Kiev 基辅|Cairo 开罗|Nairobi 内罗毕|Cape_Town 开普敦|Dubai 迪拜|Tel_Aviv 特拉维夫
New_York New_York_City NYC 纽约|Los_Angeles 洛杉矶|San_Francisco 旧金山|Seattle 西雅图|Chicago 芝加哥|Boston 波士顿|Miami 迈阿密
Austin 奥斯汀|Portland 波特兰|Philadelphia 费城|Houston 休斯敦|Toronto 多伦多|Vancouver 温哥华|Montreal Montréal 蒙特利尔
Mexico_City Ciudad_de_México 墨西哥城|Buenos_Aires 布宜诺斯艾利斯|São_Paulo Sao_Paulo 圣保罗|Rio_de_Janeiro 里约热内卢
Santiago 圣地亚哥|Lima 利马
"""

_JOBS = """
nurse nursing hospital clinic healthcare 护士 护理
doctor physician surgeon paediatrician pediatrician medic clinic hospital 医生 大夫
dentist dental 牙医
veterinarian vet veterinary 兽医
pharmacist pharmacy 药剂师
lawyer attorney solicitor barrister legal paralegal 律师
accountant bookkeeper accounting auditor finance 会计
teacher professor lecturer tutor educator teaching schoolteacher instructor 老师 教师 教授
pilot aviator airline 飞行员
firefighter fireman 消防员
policeman police detective cop 警察 民警
electrician 电工
plumber 水管工
carpenter woodworker joiner cabinetmaker 木匠 木工
mechanic garage 修车 汽修
chef cook baker pastry kitchen restaurant 厨师 大厨 面包师
barista coffee café cafe roaster 咖啡师
bartender bar mixologist 调酒师
waiter waitress restaurant server 服务员
programmer developer software coder engineer 程序员 工程师 开发
architect architecture 建筑师
librarian library archivist 图书管理员 图书馆员
florist flower flowers gardener 花艺师 花店
gardener landscaper garden horticulturist botanist florist 园丁 园艺师
farmer farm rancher grower 农民 农夫
potter ceramicist ceramics pottery ceramic 陶艺家 陶艺师 陶艺
painter artist illustrator muralist 画家 插画师 画师
photographer photography photojournalist videographer 摄影师
journalist reporter editor columnist correspondent writer 记者 编辑
translator interpreter 翻译 译者
hairdresser barber stylist 理发师 发型师
tailor seamstress dressmaker fashion 裁缝
therapist psychologist psychiatrist counsellor counselor 心理咨询师 心理医生
"""


@cache
def _cities() -> dict[str, str]:
    """What each name of a city stands for."""
    known = {zone.rpartition("/")[2].replace("_", " ").casefold(): zone.rpartition("/")[2] for zone in available_timezones() if "/" in zone}
    for row in _CITIES.replace("\n", "|").strip("|").split("|"):
        names = [name.replace("_", " ") for name in row.split()]
        known |= {name.casefold(): names[0] for name in names}
    return known


@lru_cache(maxsize=1024)
def city(name: str) -> str:
    """The name by which *name* (``Lisboa``, ``里斯本``, ``Lisbon, Portugal``) is known here; empty where it is not."""
    return _cities().get(regex.split(r"[,，(（/]", name.strip(), maxsplit=1)[0].strip().removesuffix("市").casefold(), "")


@cache
def _jobs() -> dict[str, frozenset[int]]:
    """The groups that each word belongs to."""
    rows = [row.split() for row in _JOBS.strip().splitlines()]
    words = {word for row in rows for word in row}
    return {word: frozenset(at for at, row in enumerate(rows) if word in row) for word in words}


@lru_cache(maxsize=1024)
def jobs(description: str) -> frozenset[int]:
    """Which groups of jobs the words of *description* belong to."""
    told = description.casefold()
    words = set(regex.findall(r"\p{L}++", told))
    words |= {word.removesuffix("s") for word in words}
    hits = (groups for word, groups in _jobs().items() if (word in words if word.isascii() else word in told))
    return frozenset().union(*hits)


def cities_pattern() -> str:
    """The Chinese names of cities, for a regular expression."""
    return "(?:" + "|".join(sorted((name for name in _cities() if regex.search(r"\p{Han}", name)), key=len, reverse=True)) + ")"


def jobs_pattern() -> str:
    """The Chinese names of jobs, for a regular expression."""
    return "(?:" + "|".join(sorted((word for word in _jobs() if regex.search(r"\p{Han}", word)), key=len, reverse=True)) + ")"
