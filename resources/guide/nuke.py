# Draws the in-betweens of two keys in Nuke, without a window:
#
#     KEYS=resources/samples/walk nuke -t resources/guide/nuke.py
#
# The frames come to out/nuke_0001.png and so on.
import os

import nuke

keys = os.path.abspath(os.environ.get("KEYS", "resources/samples/walk"))
out = os.path.abspath("out")
os.makedirs(out, exist_ok=True)


def read(name):
    return nuke.nodes.Read(file=os.path.join(keys, name).replace("\\", "/"))


# "OFX", the plug-in's identifier, and its major version.
between = nuke.createNode("OFXorg.inbetween.AIInbetween_v1", inpanel=False)
between.setInput(0, read("key_a.png"))  # Source
between.setInput(1, read("key_b.png"))  # KeyB; 2 is Sketch

# Knobs are called by the ids of parameters.md; a choice takes the label of its option.
between["firstKey"].setValue(1)
between["lastKey"].setValue(9)
between["timingChart"].setValue("Ease in")
between["exposure"].setValue("On ones")

write = nuke.nodes.Write(file=os.path.join(out, "nuke_%04d.png").replace("\\", "/"), file_type="png")
write.setInput(0, between)
nuke.execute(write, 1, 9)
