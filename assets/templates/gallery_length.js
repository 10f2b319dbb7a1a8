// How long a tweet is by the rules of twitter-text 3, while it is being typed. As pipeline/length.py counts, but for a shorter list of
// top-level domains; once a tweet is saved, the server's figure stands.
const LIMIT = 280;
const URL_WEIGHT = 23;
const LIGHT = [[0, 4351], [8192, 8205], [8208, 8223], [8242, 8247]]; // code points that weigh 1; all others weigh 2
const PICTURE = "(?:\\p{Emoji_Modifier_Base}\\p{Emoji_Modifier}|(?![\\xA9\\xAE])\\p{Extended_Pictographic}(?:\\uFE0F|(?!\\uFE0E)))";
const FLAG = "\\u{1F3F4}\\u{E0067}\\u{E0062}(?:\\u{E0065}\\u{E006E}\\u{E0067}|\\u{E0073}\\u{E0063}\\u{E0074}|\\u{E0077}\\u{E006C}\\u{E0073})\\u{E007F}";
const EMOJI = new RegExp(FLAG + "|\\p{Regional_Indicator}{2}|[0-9#*]\\uFE0F?\\u20E3|[\\xA9\\xAE]\\uFE0F|" + PICTURE + "(?:\\u200D" + PICTURE + "){0,3}|\\p{Emoji_Presentation}", "gu");
const ADDRESS = /(?<![\p{Script=Latin}\p{Nd}@＠$#＃_./-])(?:(https?:\/\/)((?:[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_-]*\.)+(?:xn--[a-z0-9-]+|[\p{L}\p{M}]+))|((?:[\p{Script=Latin}\p{Script=Cyrillic}\p{Nd}][\p{Script=Latin}\p{Script=Cyrillic}\p{Nd}_-]*\.)+(?:xn--[a-z0-9-]+|\p{L}+)))((?::[0-9]+)?(?:\/[^\s<>"'\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}，。、！？；：]*)?(?:\?[a-z0-9!*'();:&=+$/%#[\]\-_.,~|@?]*)?)/giu;
const TRAILING = /[.,;:!?'")\]}]+$/;
const TOP_LEVEL = new Set(("com org net edu gov mil int info biz name pro app dev page blog shop store online site tech xyz club live news art studio design cloud link social world life today " +
  "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr " +
  "ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz " +
  "中国 中國 公司 网络 香港 台湾 рф 한국 " +
  "na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw").split(" "));

/** Where addresses stand in *text*: [start, end]. */
function addresses(text) {
  const found = [];
  if (!text.includes(".")) return found;
  for (const match of text.matchAll(ADDRESS)) {
    const domain = match[2] || match[3];
    const last = domain.slice(domain.lastIndexOf(".") + 1);
    const plain = (last.match(/^[a-z0-9-]+/i) || [last])[0]; // a script without spaces may go on right behind the domain
    const listed = TOP_LEVEL.has(plain.toLowerCase()) || plain.toLowerCase().startsWith("xn--");
    if (!listed && !(match[1] && /^[a-z]{2,}$/i.test(plain))) continue;
    const domainEnd = match.index + (match[1] || "").length + domain.length - (last.length - plain.length);
    const rest = plain === last ? match[4].replace(TRAILING, "") : "";
    found.push([match.index, domainEnd + rest.length]);
  }
  return found;
}

function plainWeight(text) {
  let total = 0;
  const others = text.replace(EMOJI, () => { total += 2; return ""; });
  for (const sign of others) {
    const point = sign.codePointAt(0);
    total += LIGHT.some(([low, high]) => low <= point && point <= high) ? 1 : 2;
  }
  return total;
}

/** The weighted length of *text*. */
function weighted(text) {
  const whole = text.normalize("NFC");
  let total = 0;
  let at = 0;
  for (const [start, end] of addresses(whole)) {
    total += plainWeight(whole.slice(at, start)) + URL_WEIGHT;
    at = end;
  }
  return total + plainWeight(whole.slice(at));
}

/** The parts of a thread as it is typed: an empty line between them. */
function partsOf(text) {
  return text.split("\n\n").map((part) => part.trim()).filter(Boolean);
}
