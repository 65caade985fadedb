"""Text that is easily mishandled."""

HARD_TEXTS = [
    "",
    "Hello world, don't stop! It’s 3.14 -- really...",
    "中文很好，真的！カタカナ ひらがな 한국어",
    "family 👩‍👩‍👧‍👦 and flag 🏳️‍🌈",  # emoji with joiners and variation selectors
    "e\u0301 u\u0308\u0323 \u0915\u094d\u0937",  # combining marks
    "a\0b",
    "one\u0085two\u2028three\u2029four\x0bfive\x0csix\x1cseven",  # what str.splitlines takes for line ends
    "\r\n\r\r\n\n\n  two\t\nlines  end  ",
    "\ufeffafter a mark",
    "İSTANBUL ΣΑΣ ẞ ﬁ",
    "<br /><BR/>a<p class='x'>b</p> <sigh> <3 x<y &amp;lt; &quot;q&quot; &#39;s&#39; &nbsp;| <!-- c --> <unk> </",
    "\U0010ffff\ufffd\ufffe",
]
