"""Small scores with rests, chords, ties, triplets, grace notes and voices."""

# Two staves at tempo 90. Upper staff, 4/4: quarter note C4, quarter rest, eighth-note triplet E4 F4
# G4, grace note A4, quarter note B4 tied over the barline. Upper staff, 3/4: eighth note B4, dotted
# quarter chord C5+E5, and in a second voice half note G3. Lower staff: whole note C3 tied over the
# barline to dotted half note C3.
MUSICXML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0">
 <part-list>
  <score-part id="P1"><part-name>Upper</part-name></score-part>
  <score-part id="P2"><part-name>Lower</part-name></score-part>
 </part-list>
 <part id="P1">
  <measure number="1">
   <attributes><divisions>6</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>
   <direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute>
    </metronome></direction-type><sound tempo="90"/></direction>
   <note><pitch><step>C</step><octave>4</octave></pitch><duration>6</duration><type>quarter</type></note>
   <note><rest/><duration>6</duration><type>quarter</type></note>
   <note><pitch><step>E</step><octave>4</octave></pitch><duration>2</duration><type>eighth</type>
    <time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification></note>
   <note><pitch><step>F</step><octave>4</octave></pitch><duration>2</duration><type>eighth</type>
    <time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification></note>
   <note><pitch><step>G</step><octave>4</octave></pitch><duration>2</duration><type>eighth</type>
    <time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification></note>
   <note><grace/><pitch><step>A</step><octave>4</octave></pitch><type>eighth</type></note>
   <note><pitch><step>B</step><octave>4</octave></pitch><duration>6</duration><tie type="start"/>
    <type>quarter</type><notations><tied type="start"/></notations></note>
  </measure>
  <measure number="2">
   <attributes><time><beats>3</beats><beat-type>4</beat-type></time></attributes>
   <note><pitch><step>B</step><octave>4</octave></pitch><duration>3</duration><tie type="stop"/>
    <voice>1</voice><type>eighth</type><notations><tied type="stop"/></notations></note>
   <note><pitch><step>C</step><octave>5</octave></pitch><duration>9</duration><voice>1</voice>
    <type>quarter</type><dot/></note>
   <note><chord/><pitch><step>E</step><octave>5</octave></pitch><duration>9</duration><voice>1</voice>
    <type>quarter</type><dot/></note>
   <backup><duration>12</duration></backup>
   <note><pitch><step>G</step><octave>3</octave></pitch><duration>12</duration><voice>2</voice>
    <type>half</type></note>
  </measure>
 </part>
 <part id="P2">
  <measure number="1">
   <attributes><divisions>1</divisions></attributes>
   <note><pitch><step>C</step><octave>3</octave></pitch><duration>4</duration><tie type="start"/>
    <type>whole</type><notations><tied type="start"/></notations></note>
  </measure>
  <measure number="2">
   <note><pitch><step>C</step><octave>3</octave></pitch><duration>3</duration><tie type="stop"/>
    <type>half</type><dot/><notations><tied type="stop"/></notations></note>
  </measure>
 </part>
</score-partwise>
"""

# (onset, duration, pitch) in 1/24 of a quarter note
MUSICXML_NOTES = [
    (0, 168, 48),
    (0, 24, 60),
    (48, 8, 64),
    (56, 8, 65),
    (64, 8, 67),
    (72, 1, 69),
    (72, 36, 71),
    (96, 48, 55),
    (108, 36, 72),
    (108, 36, 76),
]

ABC = """X:1
T:Two bars
M:4/4
L:1/8
K:C
C2 z2 (3EFG [CE]2|c4- c4|]
"""

ABC_NOTES = [
    (0, 24, 60),
    (48, 8, 64),
    (56, 8, 65),
    (64, 8, 67),
    (72, 24, 60),
    (72, 24, 64),
    (96, 96, 72),
]

KERN = """**kern\t**kern
*M4/4\t*M4/4
=1\t=1
4C\t4c
4r\t8e
.\t8f
2C[\t4g 4b
.\t4r
=2\t=2
4C]\t1cc
4r\t.
2r\t.
==\t==
*-\t*-
"""

KERN_NOTES = [
    (0, 24, 48),
    (0, 24, 60),
    (24, 12, 64),
    (36, 12, 65),
    (48, 72, 48),
    (48, 24, 67),
    (48, 24, 71),
    (96, 96, 72),
]


TEXTS = {"a.musicxml": MUSICXML, "a.xml": MUSICXML, "a.abc": ABC, "a.krn": KERN}


def midi_bytes(*tracks: bytes, ticks: int = 480) -> bytes:
    """A MIDI file of format 1 from the bodies of its tracks."""
    head = b"MThd" + (6).to_bytes(4, "big") + (1).to_bytes(2, "big")
    head += len(tracks).to_bytes(2, "big") + ticks.to_bytes(2, "big")
    return head + b"".join(b"MTrk" + len(t).to_bytes(4, "big") + t for t in tracks)


END = bytes.fromhex("00ff2f00")
