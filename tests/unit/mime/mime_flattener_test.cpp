#include "mime/mime_flattener.h"

#include <fstream>
#include <iterator>

#include "support/catch.h"

using namespace pop;

namespace {

MangleRequest asked(std::string_view attributes = "") {
  const auto request = parse_mangle_request("x-mangle(" + std::string{attributes} + ")");
  REQUIRE(request);
  return *request;
}

std::string flat(std::string_view message, const MangleRequest& request,
                 std::size_t piece = std::string_view::npos) {
  Result<MimeFlattener> flattener = MimeFlattener::make(request);
  REQUIRE(flattener);
  while (!message.empty()) {
    const std::string_view part = message.substr(0, piece);
    flattener->feed(part);
    message.remove_prefix(part.size());
  }
  return flattener->finish();
}

std::string body(std::string_view message, std::string_view attributes = "") {
  const std::string text = flat(message, asked(attributes));
  const std::size_t end = text.find("\n\n");
  REQUIRE(end != std::string::npos);
  return text.substr(end + 2);
}

std::string header(std::string_view message, std::string_view attributes = "") {
  const std::string text = flat(message, asked(attributes));
  return text.substr(0, text.find("\n\n") + 1);
}

// Of parts, each with its own header.
std::string multipart(std::string_view kind, std::initializer_list<std::string_view> parts,
                      std::string_view boundary = "b") {
  std::string text = "Content-Type: multipart/" + std::string{kind} +
                     "; boundary=" + std::string{boundary} + "\n\npreamble\n";
  for (const std::string_view part : parts) {
    text.append("--").append(boundary).append("\n").append(part).append("\n");
  }
  return text.append("--").append(boundary).append("--\nepilogue\n");
}

const std::string plain = "Content-Type: text/plain\n\nplain words\n";
const std::string html = "Content-Type: text/html\n\n<p>html &amp; <b>words</b></p>\n";
const std::string picture =
    "Content-Type: image/jpeg; name=\"a.jpg\"\nContent-Transfer-Encoding: base64\n\nAAAA\n";

}  // namespace

TEST_CASE("the kept fields stay, decoded, and MIME fields follow", "[mime]") {
  CHECK(flat("Received: x\nSubject: =?utf-8?B?R3LDvG4=?= and\n\t=?iso-8859-1?q?bl=E4u?=\n"
             "X-Priority: 1\nTool: no\n\ntext\n",
             asked("charset=utf-8")) ==
        "Subject: Gr\xc3\xbcn and bl\xc3\xa4u\nX-Priority: 1\nMime-version: 1.0\n"
        "Content-Type: text/plain;charset=\"utf-8\"\nContent-Transfer-Encoding: 8bit\n\ntext\n");
  CHECK(flat("To: a\nReceived: b\nRECEIVED: c\n\n", asked("headers=rec")) ==
        "Received: b\nRECEIVED: c\nMime-version: 1.0\n"
        "Content-Type: text/plain;charset=\"us-ascii\"\n\n");
}

TEST_CASE("TOP n 0 has the message's own fields only", "[mime]") {
  Result<MimeFlattener> flattener = MimeFlattener::make(asked(), MimeFlattener::Extent::header);
  REQUIRE(flattener);
  flattener->feed("Subject: s\nReceived: r\n");
  CHECK_FALSE(flattener->is_satisfied());
  flattener->feed("\nbody\n");
  CHECK(flattener->is_satisfied());
  CHECK(flattener->finish() == "Subject: s\n\n");
}

TEST_CASE("an encoded word cannot bring a line of its own", "[mime][header]") {
  const std::string kept = header("Subject: =?utf-8?Q?a=0ABcc:_evil=0D=0A=00b?=\n\n");
  CHECK(kept.starts_with("Subject: a Bcc: evil ?b\nMime-version: 1.0\n"));
}

TEST_CASE("an encoded word of an unknown charset stays as it is", "[mime][header]") {
  CHECK(header("Subject: =?IBM930?Q?a?= =?UTF-8*de?Q?b?=\n\n")
            .starts_with("Subject: =?IBM930?Q?a?= b\n"));
}

TEST_CASE("a message cannot choose which modules of the C library are loaded", "[mime][header]") {
  const std::string file = "Content-Type: application/pdf\nContent-Disposition: attachment; ";
  const std::string type = "Content-Type: application/pdf; ";
  for (const std::string& message : {
           std::string{"Subject: =?utf-8?X?=?iso-2022-cn-ext?Q?abc?=\n"},
           std::string{"Subject: =?utf-8?Q?=?iso-2022-cn-ext?Q?abc?=\n"},
           std::string{"Subject: =?utf-8?Q?a?=?iso-2022-cn-ext?Q?abc?=\n"},
           file + "filename*=IBM1364''%41%42\n",
           file + "filename*=\"IBM1364''%41%42\"\n",
           file + "filename*=\"IB\\M1364''%41%42\"\n",
           file + "filename*=\";IBM1364''%41%42\"\n",
           file + "filename * (;) = (') IBM1364''%41%42\n",
           file + "filename*7*=IBM1364''%41%42; filename*1=a\n",
           file + "filename*(a)0 * = IBM1364''%41%42\n",
           type + "name=\"=?tscii?Q?abc?=\"\n",
           type + "name=\"=\\?tscii?Q?abc?=\"\n",
           type + "name=\"=?utf-8?Q?a?=?tscii?Q?abc?=\"\n",
           type + "name==?tscii?Q?abc?=\n",
       }) {
    CAPTURE(message);
    (void)flat(message + "\nwords\n", asked("charset=utf-8"));
    std::ifstream maps{"/proc/self/maps"};
    const std::string loaded{std::istreambuf_iterator<char>{maps}, {}};
    CHECK(loaded.find("/libc.so") != std::string::npos);
    CHECK(loaded.find("IBM1364.so") == std::string::npos);
    CHECK(loaded.find("TSCII.so") == std::string::npos);
    CHECK(loaded.find("ISO-2022-CN-EXT.so") == std::string::npos);
  }
}

TEST_CASE("names in known charsets are read however they are written", "[mime][header]") {
  const auto note = [](std::string_view parameters) {
    return body(
        "Content-Type: application/pdf; boundary=\"a?b\"; " + std::string{parameters} + "\n\nx",
        "charset=utf-8");
  };
  const std::string noted = "[\xc3\xa9t\xc3\xa9.pdf]\n[ application/pdf part omitted]\n";
  CHECK(note("name*=utf-8''%c3%a9t%c3%a9.pdf") == noted);
  CHECK(note("name*=ISO-8859-1'fr'%e9t%e9.pdf; x=\"it's\"") == noted);
  CHECK(note("name*0*=utf-8''%c3%a9; name*1*=t%c3%a9; name*2=\".pdf\"") == noted);
  CHECK(note("name=\"=?utf-8?Q?=C3=A9t?= =?iso-8859-1?Q?=E9.pdf?=\"") == noted);
  CHECK(note("name*0=\"John's\"; name*1=\" file\"").starts_with("[John's file]\n"));
}

TEST_CASE("a decoded name is quoted where its comma would part addresses", "[mime][header]") {
  CHECK(header("From: =?utf-8?Q?Doe=2C_Jo?= <jo@x>, \"=?utf-8?Q?A=2C_\"B?=\" <b@x>\n\n")
            .starts_with("From: \"Doe, Jo\" <jo@x>, \"A, B\" <b@x>\n"));
  CHECK(header("Subject: =?utf-8?Q?Doe=2C_Jo?=\n\n").starts_with("Subject: Doe, Jo\n"));
}

TEST_CASE("fields with raw octets are read as UTF-8, else as windows-1252", "[mime][header]") {
  CHECK(header("Subject: Gr\xc3\xbcn\n\n", "charset=utf-8").starts_with("Subject: Gr\xc3\xbcn\n"));
  CHECK(header("Subject: Gr\xfcn\n\n", "charset=utf-8").starts_with("Subject: Gr\xc3\xbcn\n"));
  CHECK(header("Subject: Gr\xfcn\n\n", "charset=iso-8859-1").starts_with("Subject: Gr\xfcn\n"));
  CHECK(header("Subject: Gr\xfcn\n\n").starts_with("Subject: Grun\n"));
}

TEST_CASE("long fields are folded at blanks", "[mime][header]") {
  std::string list;
  for (int i = 0; i < 40; ++i) list += "somebody@example.org, ";
  const std::string kept = header("To: " + list + "\n\n");
  for (std::size_t at = 0; at < kept.size();) {
    const std::size_t end = kept.find('\n', at);
    CHECK(end - at <= 76);
    at = end + 1;
  }
}

TEST_CASE("of alternatives the wanted kind is taken, else the first", "[mime][parts]") {
  const std::string both = multipart("alternative", {plain, html});
  const std::string turned = multipart("alternative", {html, plain});
  CHECK(body(both) == "plain words\n");
  CHECK(body(turned) == "plain words\n");
  CHECK(body(both, "text=html") == "<p>html &amp; <b>words</b></p>\n");
  CHECK(body(turned, "text=html") == "<p>html &amp; <b>words</b></p>\n");
  CHECK(body(multipart("alternative", {html})) == "html & words\n");
  CHECK(body(multipart("alternative", {plain}), "text=html") == "<div>plain words<br>\n</div>\n");
  CHECK(body(multipart("alternative", {picture, html})) == "html & words\n");
  CHECK(body(multipart("alternative", {"Content-Type: text/calendar\n\nBEGIN\n", html})) ==
        "html & words\n");
}

TEST_CASE("related parts inside alternatives are taken for their root", "[mime][parts]") {
  const std::string related = multipart("related; type=\"text/html\"", {html, picture, html}, "r");
  const std::string mixed = multipart("mixed", {html, picture}, "m");
  CHECK(body(multipart("alternative", {plain, related})) == "plain words\n");
  CHECK(body(multipart("alternative", {plain, related}), "text=html") ==
        "<p>html &amp; <b>words</b></p>\n\n<p>[a.jpg]<br>\n[ image/jpeg part omitted]</p>\n");
  CHECK(body(multipart("alternative", {plain, mixed}), "text=html") ==
        "<div>plain words<br>\n</div>\n");
  CHECK(body(multipart("alternative", {mixed})) ==
        "html & words\n\n[a.jpg]\n[ image/jpeg part omitted]\n");
}

TEST_CASE("the language that is asked for decides between alternatives", "[mime][parts]") {
  const std::string german = "Content-Type: text/html\nContent-Language: de-AT, nl\n\nGuten Tag\n";
  const std::string english = "Content-Type: text/plain\nContent-Language: en\n\nGood day\n";
  const std::string both = multipart("alternative", {english, german});
  CHECK(body(both) == "Good day\n");
  CHECK(body(both, "lang=de") == "Guten Tag\n");
  CHECK(body(both, "lang=nl") == "Guten Tag\n");
  CHECK(body(both, "lang=d") == "Good day\n");
  CHECK(body(both, "lang=fr") == "Good day\n");
}

TEST_CASE("a message in several languages (RFC 8255) gives the one asked for", "[mime][parts]") {
  const std::string several = multipart(
      "multilingual",
      {plain, "Content-Type: message/rfc822\nContent-Language: en\n\nSubject: Day\n\nGood day\n",
       "Content-Type: message/rfc822\nContent-Language: de\n\nSubject: Tag\n\nGuten Tag\n"});
  CHECK(body(several, "lang=de") == "Subject: Tag\n\nGuten Tag\n");
  const std::string all = body(several);
  CHECK(
      all.starts_with("plain words\n\n[Included message follows:]\n\nSubject: Day\n\nGood day\n"));
  CHECK(all.ends_with("Subject: Tag\n\nGuten Tag\n"));
}

TEST_CASE("what is no text leaves a note", "[mime][parts]") {
  CHECK(body(multipart("mixed", {plain, picture})) ==
        "plain words\n\n[a.jpg]\n[ image/jpeg part omitted]\n");
  CHECK(body("Content-Type: application/octet-stream\nContent-Disposition: attachment;\n"
             " filename*=utf-8''%e2%82%ac-a-very-long-name-that-does-not-end.bin\n\nxx",
             "charset=utf-8") ==
        "[\xe2\x82\xac-a-very-long-name-that-does-n]\n[ application/octet-st attachment "
        "omitted]\n");
  CHECK(body("Content-Type: text/plain\nContent-Disposition: attachment; filename=\"a\nb\"\n\nxx")
            .ends_with("\n[ text/plain attachment omitted]\n"));
  CHECK(body("Content-Type: text/rtf\n\n{\\rtf1}\n") == "[ text/rtf part omitted]\n");
}

TEST_CASE("what nobody can read anyway leaves nothing", "[mime][parts]") {
  CHECK(body(multipart("mixed", {plain, "Content-Type: application/vnd.ms-tnef\n\nx"})) ==
        "plain words\n");
  CHECK(body(multipart("mixed", {plain, "Content-Type: application/ms-tnef; name=w.dat\n\nx"})) ==
        "plain words\n");
  CHECK(body(multipart("mixed", {plain,
                                 "Content-Type: message/external-body; access-type=URL\n\n"
                                 "Content-Type: text/plain\n\nx"})) == "plain words\n");
  CHECK(body(multipart("appledouble", {"Content-Type: application/applefile\n\nx", picture})) ==
        "[a.jpg]\n[ image/jpeg part omitted]\n");
}

TEST_CASE("messages inside are shown with the kept fields", "[mime][parts]") {
  const std::string inner = "Content-Type: message/rfc822\n\nReceived: r\nSubject: inner\n" + plain;
  CHECK(body(multipart("mixed", {plain, inner})) ==
        "plain words\n\n[Included message follows:]\n\nSubject: inner\n\nplain words\n");
  CHECK(body(multipart("digest", {"\nSubject: one\n\nfirst\n", "\nSubject: two\n\nsecond\n"})) ==
        "[Included message follows:]\n\nSubject: one\n\nfirst\n\n"
        "[Included message follows:]\n\nSubject: two\n\nsecond\n");
  CHECK(body(multipart("mixed", {"Content-Type: message/rfc822\n"
                                 "Content-Transfer-Encoding: base64\n\nAAAA\n"})) ==
        "[ message/rfc822 part omitted]\n");
}

TEST_CASE("a report has its explanation, its status and the header it is about", "[mime][parts]") {
  CHECK(body(multipart("report; report-type=delivery-status",
                       {plain, "Content-Type: message/delivery-status\n\nAction: failed\n",
                        "Content-Type: message/rfc822\n\nSubject: lost\n\nsecret body\n"})) ==
        "plain words\n\nAction: failed\n\n[Header of message follows:]\n\nSubject: lost\n");
  CHECK(body(multipart("report", {"Content-Type: text/rfc822-headers\n\nSubject: lost\n"})) ==
        "Subject: lost\n");
}

TEST_CASE("signed and encrypted messages show what can be read", "[mime][parts]") {
  CHECK(body(multipart("signed", {plain, "Content-Type: application/pgp-signature\n\nx"})) ==
        "plain words\n\n[ application/pgp-sign part omitted]\n");
  CHECK(body(multipart("encrypted", {"Content-Type: application/pgp-encrypted\n\nVersion: 1\n"})) ==
        "[ application/pgp-encr part omitted]\n");
  CHECK(body("Content-Type: message/partial; id=1; number=2\n\nthe second half\n") ==
        "the second half\n");
}

TEST_CASE("transfer encodings are undone, broken ones as far as they go", "[mime][text]") {
  const auto encoded = [](std::string_view name, std::string_view text) {
    return body("Content-Transfer-Encoding: " + std::string{name} + "\n\n" + std::string{text});
  };
  CHECK(encoded("base64", "aGVsbG8g\nd29ybGQ=\n") == "hello world\n");
  CHECK(encoded("BASE64", "!!aGVs\x01bG8\n") == "hel\n");
  CHECK(encoded("quoted-printable", "a=3Db=\nc =ZZ=4\n").starts_with("a=bc "));
  CHECK(encoded("8bit", "as it is\n") == "as it is\n");
  CHECK(encoded("nonsense", "as it is\n") == "as it is\n");
  CHECK(encoded("x-uuencode", "intro\nbegin 644 a\n#0V%T\n`\nend\n") == "Cat\n");
}

TEST_CASE("charsets are converted, and wrong labels do no harm", "[mime][text]") {
  const auto text = [](std::string_view charset, std::string_view octets) {
    return body("Content-Type: text/plain; charset=\"" + std::string{charset} + "\"\n\n" +
                    std::string{octets},
                "charset=utf-8");
  };
  CHECK(text("iso-8859-1", "Gr\xfcn \x80\n") == "Gr\xc3\xbcn \xe2\x82\xac\n");
  CHECK(text("ISO-8859-15", "\xa4\n") == "\xe2\x82\xac\n");
  CHECK(text("iso-2022-jp", "\x1b$BF|K\\\x1b(B\n") == "\xe6\x97\xa5\xe6\x9c\xac\n");
  CHECK(text("koi8-r", "\xcd\xc9\xd2\n") == "\xd0\xbc\xd0\xb8\xd1\x80\n");
  CHECK(text("utf-16", std::string_view{"\xff\xfe\x41\x00", 4}).starts_with("A"));
  CHECK(text("us-ascii", "Gr\xc3\xbcn\n") == "Gr\xc3\xbcn\n");
  CHECK(text("us-ascii", "Gr\xfcn\n") == "Gr\xc3\xbcn\n");
  CHECK(text("utf-8", "Gr\xfcn\n") == "Gr\xc3\xbcn\n");
  CHECK(text("no-such", "Gr\xfcn\n") == "Gr\xc3\xbcn\n");
  CHECK(text("../../tmp/evil", "Gr\xfcn\n") == "Gr\xc3\xbcn\n");
  CHECK(text("big5", "\xa4\xff ok\n").ends_with(" ok\n"));
  CHECK(text("us-ascii", std::string_view{"a\0b\x1b[2Jc\td\r\n", 12}) == "ab[2Jc\td\n");
}

TEST_CASE("a client's charset gets what is nearest, HTML gets references", "[mime][text]") {
  const std::string message =
      "Content-Type: text/html; charset=utf-8\n\n\xe2\x82\xac "
      "\xe2\x80\x9c\xe6\x97\xa5\xe2\x80\x9d\n";
  CHECK(body(message) == "EUR \"?\"\n");
  CHECK(body(message, "charset=iso-8859-15") == "\xa4 \"?\"\n");
  CHECK(body(message, "charset=cp1252") == "\x80 \x93?\x94\n");
  CHECK(body(message, "charset=iso-2022-jp").find("\x1b$B") != std::string::npos);
  CHECK(body(message, "text=html") == "&#8364; &#8220;&#26085;&#8221;\n");
}

TEST_CASE("flowed text and long lines are wrapped when asked", "[mime][text]") {
  const std::string flowed =
      "Content-Type: text/plain; format=flowed\n\none two \nthree four\n> quoted \n> more\n-- "
      "\nme\n";
  CHECK(body(flowed) == "one two \nthree four\n> quoted \n> more\n-- \nme\n");
  CHECK(body(flowed, "wrap=10") == "one two\nthree four\n> quoted\n> more\n-- \nme\n");
  CHECK(body(flowed, "wrap=40") == "one two three four\n> quoted more\n-- \nme\n");
  CHECK(body("\n12 34 56 78 90\n  as it is\n", "wrap=8") == "12 34 56\n78 90\nas it is\n");
  CHECK(body("Content-Type: text/plain; format=flowed; delsp=yes\n\nDonau \ndampf\n", "wrap=40") ==
        "Donaudampf\n");
}

TEST_CASE("enriched text loses its commands", "[mime][text]") {
  CHECK(body("Content-Type: text/enriched\n\n<bold>Now</bold> is\nthe time\n\n<color><param>red"
             "</param>for</color> a << b\n") == "Now is the time\nfor a < b\n");
  CHECK(body("Content-Type: text/richtext\n\na <lt> b<nl>c <bold>d</bold>\ne\n") ==
        "a < b\nc d e\n");
}

TEST_CASE("broken structures give a note or the text, never nothing", "[mime][broken]") {
  CHECK(body("Content-Type: multipart/mixed\n\nwords\n") ==
        "[invalid MIME formatting; the parts cannot be told apart]\n\nwords\n");
  CHECK(body("Content-Type: multipart/mixed; boundary=b\n\n--b\nno header at all\n") ==
        "no header at all\n");
  CHECK(body("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnot ended") == "not ended\n");
  CHECK(body("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n--b --\n--b-\n") ==
        "x\n--bb\n--b --\n--b-\n");
  CHECK(body("Content-Type: multipart/mixed; boundary=b\n\n--b   \n\nx\n--b--\t\n--b\n\ny\n") ==
        "x\n");
  CHECK(body("Content-Type: text\n\nwords\n") == "words\n");
  CHECK(body("Content-Type: ;;;=\n\nwords\n") == "words\n");
  CHECK(body("Content-Type:\n\nwords\n") == "words\n");
  CHECK(flat("", asked()).ends_with("\n\n"));
  CHECK(flat("no header\n", asked()).ends_with("\n\nno header\n"));
}

TEST_CASE("a part that ends without its boundary ends with the one around it", "[mime][broken]") {
  const std::string inner = "Content-Type: multipart/mixed; boundary=i\n\n--i\n\ninside\n";
  CHECK(body(multipart("mixed", {inner, plain}, "o")) == "inside\n\nplain words\n");
}

TEST_CASE("a boundary that begins with another one is told apart", "[mime][parts]") {
  const std::string inner = multipart("mixed", {plain, plain}, "outer-inner");
  CHECK(body(multipart("mixed", {inner, plain}, "outer")) ==
        "plain words\n\nplain words\n\nplain words\n");
}

TEST_CASE("parts within parts have an end", "[mime][limits]") {
  std::string deep;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "b" + std::to_string(i);
    deep += "Content-Type: multipart/mixed; boundary=" + name + "\n\n--" + name + "\n";
  }
  CHECK(body(deep + "\nwords\n") ==
        "[message too complex; what is inside this part is left out]\n");
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "Content-Type: message/rfc822\n\n";
  CHECK(body(nested).find("[message too complex;") != std::string::npos);
}

TEST_CASE("only so many parts are looked at", "[mime][limits]") {
  std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 200'000; ++i) many += "--b\n\nx\n";
  const std::string text = body(many);
  CHECK(text.ends_with("[message too complex; the other parts are left out]\n"));
  CHECK(text.size() < 4 * MimeFlattener::most_parts);
}

TEST_CASE("only so much text is kept, and attachments none at all", "[mime][limits]") {
  std::string line(79, 'x');
  line += '\n';
  std::string text;
  while (text.size() <= MimeFlattener::largest_text) text += line;
  const std::string shown = body("\n" + text);
  CHECK(shown.ends_with("\n\n[message too long; the rest of this text is left out]\n"));
  CHECK(shown.size() < MimeFlattener::largest_text + 100);
  CHECK(body("Content-Type: image/png\n\n" + text) == "[ image/png part omitted]\n");
}

TEST_CASE("little HTML cannot become any amount of text", "[mime][limits]") {
  // Each of these has a line of its own, behind all the margins.
  const std::string margins = "<blockquote><blockquote><blockquote><ul><ul><ul><ul><ul><ul>";
  const auto many = [](std::string_view what, std::size_t octets) {
    std::string text;
    while (text.size() < octets) text += what;
    return text;
  };
  const std::string note = "\n\n[message too long; the rest of this text is left out]\n";
  const std::string rules = body("Content-Type: text/html\n\n" + many("<hr>", 3'000'000));
  CHECK(rules.ends_with(note));
  CHECK(rules.size() <= MimeFlattener::largest_shown + note.size());
  const std::string in_pre =
      "Content-Type: text/html\n\n" + margins + "<pre>" + many("a\n", 3'000'000) + "</pre>";
  const std::string quoted = body(multipart("mixed", {in_pre, plain, plain}));
  CHECK(quoted.ends_with(note));
  CHECK(quoted.size() <= MimeFlattener::largest_shown + note.size());
  const std::string as_html = body("\n" + many("\n", 5'000'000), "text=html");
  CHECK(as_html.ends_with("left out]</p>\n"));
  CHECK(as_html.size() <= MimeFlattener::largest_shown + 2 * note.size());
}

TEST_CASE("a chosen alternative gets the room of one that was too long", "[mime][limits]") {
  std::string rules = "Content-Type: text/html\n\n";
  while (rules.size() < 3'000'000) rules += "<hr>";
  CHECK(body(multipart("alternative", {rules, plain})) == "plain words\n");
}

TEST_CASE("headers of included messages count as text", "[mime][limits]") {
  std::string header = "Subject: d\n";
  while (header.size() < 250'000) header += "To: " + std::string(900, 'a') + "\n";
  std::string digest = "Content-Type: multipart/digest; boundary=b\n\n";
  for (int i = 0; i < 60; ++i) digest += "--b\n\n" + header + "\nwords\n";
  const std::string shown = body(digest);
  CHECK(shown.find("[message too long; the rest of this text is left out]\n") != std::string::npos);
  CHECK(shown.size() < MimeFlattener::largest_text + 20'000);
}

TEST_CASE("any number of parameters and fields is survived", "[mime][limits]") {
  std::string type = "Content-Type: text/plain";
  for (int i = 0; i < 100'000; ++i) type += ";\n name*" + std::to_string(i) + "*=a";
  CHECK(body(type + "\n\nwords\n") == "words\n");
  std::string to = "To: a";
  for (int i = 0; i < 100'000; ++i) to += ",\n =?utf-8?Q?b?= <c@d>";
  const std::string kept = header(to + "\n\nwords\n");
  CHECK(kept.size() > 100'000);
}

TEST_CASE("a message gives the same wherever it is cut", "[mime]") {
  const std::string inner = multipart("alternative", {plain, html}, "i");
  const std::string message =
      "Subject: =?utf-8?B?R3LDvG4=?=\r\n" +
      multipart("mixed", {inner, picture, "Content-Type: text/plain\r\n\r\nline\r\n"});
  const std::string whole = flat(message, asked());
  for (std::size_t piece = 1; piece <= message.size(); ++piece) {
    CAPTURE(piece);
    CHECK(flat(message, asked(), piece) == whole);
  }
  const std::string long_line = "Subject: x\n\n" + std::string(10'000, 'y') + "\r\nend\n";
  for (const std::size_t piece : {1UL, 4095UL, 4096UL, 4097UL, 10'011UL}) {
    CHECK(flat(long_line, asked(), piece) == flat(long_line, asked()));
  }
}
