#include "mime/html_text.h"

#include "support/catch.h"

using namespace pop;

namespace {

std::string text(std::string_view html, std::size_t columns = 40) {
  return text_of_html(html, columns);
}

}  // namespace

TEST_CASE("HTML becomes lines that a person can read", "[mime][html]") {
  CHECK(text("<html><head><title>no</title><style>p{}</style></head><body><h1>Head</h1><p>One\n"
             " two<br>three</p><p>four</p></body></html>") == "Head\n\nOne two\nthree\n\nfour\n");
  CHECK(text("<div>a</div><div>b</div>") == "a\nb\n");
  CHECK(text("<ul><li>one<li>two</ul><ol><li>x</li><li>y</li></ol>") ==
        "* one\n* two\n\n1. x\n2. y\n");
  CHECK(text("<blockquote>said <b>so</b></blockquote>ok") == "> said so\n\nok\n");
  CHECK(text("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>") == "a b\nc\n");
  CHECK(text("<pre>  a\n   b</pre>") == "  a\n   b\n");
  CHECK(text("a<hr>b").find("\n-----") != std::string::npos);
  CHECK(text("<img src=x alt=\"a dog\"><img src=y>") == "[a dog]\n");
}

TEST_CASE("words are wrapped, long ones are not broken", "[mime][html]") {
  CHECK(text("aa bb cc dd", 5) == "aa bb\ncc dd\n");
  CHECK(text("a looooooong b", 5) == "a\nlooooooong\nb\n");
  CHECK(text("<blockquote>aa bb cc</blockquote>", 7) == "> aa bb\n> cc\n");
  CHECK(text("\xc3\xa4\xc3\xa4 bb", 5) == "\xc3\xa4\xc3\xa4 bb\n");
}

TEST_CASE("links show where they lead unless their text does", "[mime][html]") {
  CHECK(text("<a href=\"http://x/?a=1&amp;b\">here</a>!") == "here <http://x/?a=1&b>!\n");
  CHECK(text("<a href='http://x/'>http://x/</a>") == "http://x/\n");
  CHECK(text("<a href=mailto:jo@x>Jo</a>") == "Jo <jo@x>\n");
  CHECK(text("<a href=#top>up</a> <a href=javascript:evil()>x</a>") == "up x\n");
}

TEST_CASE("character references are replaced, others stay", "[mime][html]") {
  CHECK(text("&lt;&eacute;&#8364;&#x20AC;&#146;&nbsp;&amp;lt;") ==
        "<\xc3\xa9\xe2\x82\xac\xe2\x82\xac\xe2\x80\x99\xc2\xa0&lt;\n");
  CHECK(text("AT&T &unknown; &; &#; &#xZ; &#99999999; &#xD800;", 80) ==
        "AT&T &unknown; &; &#; &#xZ; &#99999999; &#xD800;\n");
  CHECK(text("a&#0;b&#10;c&#27;d") == "a b c d\n");
  CHECK(text("&copy 2026") == "\xc2\xa9 2026\n");
}

TEST_CASE("scripts, styles and comments are not read out", "[mime][html]") {
  CHECK(text("a<script>if (1<2) \"</p>\"</script>b<!-- <p>c --> -->d<![CDATA[x]]>") == "ab -->d\n");
  CHECK(text("<STYLE>x</STYLE >y<textarea>z</textarea>") == "yz\n");
}

TEST_CASE("broken HTML shows its text all the same", "[mime][html]") {
  CHECK(text("a < b and b > c") == "a < b and b > c\n");
  CHECK(text("<p>one<a href=\"x>two</a>three") == "onetwo <x>three\n");
  CHECK(text("<") == "<\n");
  CHECK(text("<b") == "");
  CHECK(text("") == "");
  CHECK(text("</p></blockquote></ul></a>x") == "x\n");
}

TEST_CASE("what nests or repeats without end is read in one pass", "[mime][html]") {
  std::string deep, quotes, signs;
  for (int i = 0; i < 200'000; ++i) {
    deep += "<blockquote><ul><li>";
    quotes += "<a =\">\" ";
    signs += "<a href='\"<&#";
  }
  CHECK(text(deep).size() < 60 * deep.size());
  CHECK(text(quotes).size() < 10 * quotes.size());
  CHECK(text(signs).size() < 10 * signs.size());
}

TEST_CASE("plain text is shown by HTML as it stands", "[mime][html]") {
  CHECK(html_of_text("a <b> & c\n  d  e\n") ==
        "a &lt;b&gt; &amp; c<br>\n&nbsp;&nbsp;d &nbsp;e<br>\n");
}
