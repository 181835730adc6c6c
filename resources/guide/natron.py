# Draws the in-betweens of two keys in Natron, without a window:
#
#     KEYS=resources/samples/walk NatronRenderer resources/guide/natron.py
#
# The frames come to out/natron_0001.png and so on.
import os


def createInstance(app, group):
    keys = os.path.abspath(os.environ.get("KEYS", "resources/samples/walk"))
    out = os.path.abspath("out")
    os.makedirs(out, exist_ok=True)

    first = app.createReader(os.path.join(keys, "key_a.png"))
    last = app.createReader(os.path.join(keys, "key_b.png"))
    between = app.createNode("org.inbetween.AIInbetween")
    between.connectInput(0, first)  # Source
    between.connectInput(1, last)  # KeyB; 2 is Sketch

    # Parameters are found by the ids of parameters.md; a choice takes the label of its option.
    between.getParam("firstKey").setValue(1)
    between.getParam("lastKey").setValue(9)
    between.getParam("timingChart").set("Ease in")
    between.getParam("exposure").set("On ones")

    writer = app.createWriter(os.path.join(out, "natron_####.png"))
    writer.connectInput(0, between)
    app.render(writer, 1, 9)
