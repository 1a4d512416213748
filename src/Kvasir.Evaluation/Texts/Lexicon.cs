namespace Kvasir.Evaluation.Texts;

/// <summary>Plain English words, written for this project. Golden texts depend on them: a word is added at the cost of new hashes.</summary>
internal static class Lexicon
{
    /// <summary>What a thing may be.</summary>
    public static string[] Adjectives { get; } = Split(
        """
        able amber ample ancient arid ashen azure bare bitter bland blank bleak blunt bold brave brief bright brisk broad broken bronze
        busy calm candid careful cheap civil clean clear clever close coarse cold cool coral cosy crimson crisp crooked curious curly
        daily damp dark dear deep dense dim distant dizzy double dry dull dusty eager early eastern easy elder empty equal exact faded
        faint fair famous fancy fast fertile fierce fine firm flat fleet foggy fond fragile frank free fresh friendly frosty full gentle
        giant glad glossy golden grand grave gray great green grim hasty hidden high hollow honest huge humble icy idle jolly keen kind
        large late lazy lean level light little lively local lone long loose loud loyal lucky mellow merry mild milky misty modest mossy
        muddy narrow naval neat new nimble noble northern odd old olive open pale patient plain polite proud pure purple quaint quick
        quiet rapid rare ready rich ripe rough round royal rural rustic sandy scarlet secret shallow sharp shiny short shy silent silver
        simple sleepy slender slow small smooth sober soft solid southern spare steady steep stern still stony strong sturdy subtle sunny
        sweet swift tall tame tender thick thin tidy tiny tough tranquil true upper urban vast velvet violet vivid warm wary western white
        wide wild windy wise wooden yellow young
        """);

    /// <summary>Things, animals, people and places, in the singular.</summary>
    public static string[] Nouns { get; } = Split(
        """
        acorn actor alley almond anchor anvil apple apron arch arrow artist attic aunt autumn badge baker balcony ballad bamboo banner
        barge barley barn barrel basin basket beacon beam bean bear beaver bell bench berry bishop blanket blossom boat bonnet book boot
        border bottle boulder bowl branch bread brick bridge bronco brook broom brush bucket buffalo bugle butcher butter button cabbage
        cabin cable cactus cake camel camera camp canal candle canoe canvas canyon captain caravan card cargo carpet carrot cart castle
        cattle cave cedar cellar chain chair chalk chapel chart cheese cherry chest chimney cider circle clay clerk cliff clock cloth
        cloud clover coach coast coat cobbler coffee coin collar comet compass cook copper corner cottage cotton council court cousin
        cradle crane crate creek cricket crown cup curtain cushion daisy dancer desert desk diary doctor dolphin donkey door dove dragon
        drawer dream drum duck eagle easel echo elbow elm engine estate falcon farmer feast feather fence fern ferry fiddle field finch
        flag flame flute forest forge fountain fox frame friend fruit garden garlic gate ginger glacier glass glove goat goose grain grape
        gravel grove guard guest guitar gull hammer hammock harbour harp harvest hat hawk hazel hedge helmet herald herb hermit heron hill
        hinge honey horn horse hotel hunter inn island ivory ivy jacket jar jewel jockey jug juniper kettle kiln king kitchen kite knight
        ladder lady lake lamb lamp lane lantern lark laurel leaf ledger lemon letter library lily lime linen lion lizard lock loom lord
        magnet maple marble market marsh mason mast meadow melon merchant mill miner mint mirror mole monk moon morning moth mountain mule
        museum mustard needle nephew nest notebook nurse nut oak oasis oats ocean onion orange orchard organ otter oven owl oyster paddle
        painter palace panther paper parcel parrot path peach peacock pear pebble pencil pepper piano pigeon pillar pilot pine pirate
        planet plank plate plough plum pocket poet pond pony poplar porch port potter prince pumpkin puzzle quarry queen quilt rabbit raft
        rain raven reed ribbon river road robin rocket roof rope rose saddle sailor salmon salt scarf school sculptor seal shawl sheep
        shell shepherd ship shore signal singer sister sledge smith snail soldier song spade sparrow spider spoon spring squirrel stable
        stage star station statue stool storm stove stream street summer sunset swan table tailor tavern teacher temple tent theatre
        thistle thread throne tiger timber tower town track trader train tram travel tree trumpet tulip tunnel turnip turtle uncle valley
        vase village vine viola voyage wagon walnut water weaver well whale wheat wheel whistle widow willow window winter wolf wool wren
        writer yard
        """);

    /// <summary>Past tenses that take an object.</summary>
    public static string[] Verbs { get; } = Split(
        """
        admired answered awaited blamed borrowed bought brought built called carried caught chased chose cleaned counted covered crossed
        described drew dropped enjoyed examined filled followed forgot found gathered greeted guarded guided heard held helped hid
        imagined invited joined kept kicked knew learned left lifted liked locked lost loved made measured mended met missed moved named
        needed noticed obeyed opened ordered painted passed placed planned praised preferred pulled pushed questioned raised reached read
        remembered repaired repeated rescued saved saw searched sent served shared showed sketched sold stored studied taught thanked told
        touched traded trusted turned understood visited wanted warned washed watched welcomed wrapped wrote
        """);

    /// <summary>All of them.</summary>
    public static string[] Words { get; } = [.. Adjectives, .. Nouns, .. Verbs];

    private static string[] Split(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
