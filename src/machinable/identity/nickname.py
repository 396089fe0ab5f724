"""Names that people can say and remember for IDs that they can not."""

from __future__ import annotations

from machinable.blake import blake2b

__all__ = ["nickname"]


def nickname(id: str) -> str:
    """The nickname of an ID: an adjective and a noun, `calm_heron`.

    It is for people alone: different IDs may share one, and nothing is looked up by it.
    """
    number = int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big")
    rest, adjective = divmod(number, len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]}_{NOUNS[rest % len(NOUNS)]}"


# Frozen: another word, or another order, would give the records of the next version other names.
_ADJECTIVES = """
able active adept agile airy alert alpine amber ample ancient apt aquatic arctic ardent artful
astral atomic august autumn avid azure balanced balmy beaming benign blithe blue bold bonny bouncy
brave breezy brief bright brisk bronze bubbly buoyant calm candid careful caring casual celestial
central cheerful chief chilly choice classic clean clear clever cloudy coastal cobalt colorful
composed cool copper coral cordial cosmic cosy courtly crafty creamy crimson crisp crystal curious
daily dapper daring dazzling deep deft devoted dewy dreamy driven dynamic eager early earnest earthy
easy elated elegant eminent endless epic equal even exact expert fabled fair faithful famous fancy
fearless festive fine firm fleet floral fluent fluffy fond frank free fresh friendly frosty gallant
generous gentle gifted gilded glad gleaming global glowing golden graceful grand grateful green
handy happy hardy harmonic hearty helpful hidden high honest hopeful humble icy ideal idyllic indigo
inner intent inventive ivory jade jaunty jolly jovial joyful joyous jubilant keen kind kindly large
lasting leafy learned level light lilac limber lively lofty logical loyal lucid lucky lunar lush
lyrical magic magnetic majestic maple marble marine mellow merry mighty mild mindful minty misty
modern modest mossy musical mystic natural neat nimble noble northern novel oaken oceanic olive opal
open optimal orange orderly patient peaceful pearly perky placid plain playful pleasant plucky
poetic poised polar polished polite prime proud pure purple quick quiet radiant rapid rare ready
regal robust rosy royal rustic sage sandy scarlet serene
"""

_NOUNS = """
acorn albatross alder almond alpaca anchor antelope apple apricot arbor arch aspen aster atlas atoll
aurora avocado badger bamboo banjo basil basin bay beach beacon bear beaver beech bell birch bison
blossom bluebell boat bonfire book branch breeze bridge brook buffalo butterfly cabin cactus canary
candle canoe canyon caribou carousel cascade castle cedar cello cherry chestnut cinnamon citadel
clarinet cliff cloud clover coast comet compass condor cottage cove coyote crane crater creek
crescent cricket crocus crown cypress daffodil dahlia daisy dawn deer delta desert dolphin dove
dragonfly drum dune eagle echo elk elm ember falcon feather fern fiddle field finch firefly fjord
flame flamingo flute forest fountain fox galaxy garden garnet gazelle geyser ginger glacier glade
gondola gorge grove gull hamlet harbor hare harp hawk hazel heath heron hill hollow horizon ibis
iceberg inlet iris island jasmine jay juniper kayak kestrel kettle kingfisher kite koala lagoon lake
lantern larch lark laurel lavender leaf lemon lemur library lighthouse lily linden llama lotus lynx
magnolia mango mangrove manta marigold marmot marsh meadow melody meteor mill mint mirror moon moose
mountain narwhal nebula nectar nest nutmeg oak oasis ocean ocelot orchard orchid oriole osprey otter
owl oyster palm panda papaya parrot peach peak pear pebble pelican penguin peony pepper petal piano
pine planet plateau plum pond poplar poppy prairie puffin quail quartz quill quokka rabbit rain
rainbow raven reed reef ridge river robin rose saffron sail salmon sapphire seal sequoia shell
sparrow spring
"""

ADJECTIVES, NOUNS = _ADJECTIVES.split(), _NOUNS.split()
