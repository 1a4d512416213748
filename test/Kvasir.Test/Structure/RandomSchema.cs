using System.Text.Json.Nodes;

namespace Kvasir.Test.Structure;

/// <summary>A JSON schema of every supported keyword, drawn from a seed, and values of it in canonical form: properties in the schema's order.</summary>
internal sealed class RandomSchema
{
    private static readonly (string Pattern, Func<Random, string> Text)[] Patterns =
    [
        ("^[a-c]+$", static dice => Letters(dice, "abc", 1, 6)),
        (@"^\d{2,4}-x?$", static dice => $"{dice.Next(10, 10000)}-{(dice.Next(2) == 0 ? "x" : "")}"),
        ("foo|^é+", static dice => dice.Next(2) == 0 ? "a\"foo\\" : "éé and"),
        (@"^(?:ab|c\.)*$", static dice => string.Concat(Enumerable.Range(0, dice.Next(4)).Select(_ => dice.Next(2) == 0 ? "ab" : "c."))),
    ];

    private readonly Random _dice;
    private int _nodes = 14;

    private RandomSchema(int seed) => _dice = new Random(seed);

    public static (JsonObject Schema, Func<Random, JsonNode?> Value) Of(int seed) => new RandomSchema(seed).Schema(0);

    private (JsonObject Schema, Func<Random, JsonNode?> Value) Schema(int depth)
    {
        var simple = depth > 3 || --_nodes < 0;
        return _dice.Next(simple ? 6 : 10) switch
        {
            0 => (new JsonObject { ["type"] = "boolean" }, static dice => dice.Next(2) == 0),
            1 => Integer(),
            2 => (new JsonObject { ["type"] = "number" }, static dice => Math.Round((dice.NextDouble() - 0.5) * Math.Pow(10, dice.Next(-6, 16)), 8)),
            3 => Text(),
            4 => Pattern(),
            5 => Enum(),
            6 => Union(depth),
            7 => Array(depth),
            _ => Object(depth),
        };
    }

    private (JsonObject, Func<Random, JsonNode?>) Integer()
    {
        var (a, b) = ((long)(_dice.NextDouble() * 2000) - 1000, _dice.NextInt64() >> _dice.Next(1, 60));
        var (low, high) = (Math.Min(a, b), Math.Max(a, b));
        return (new JsonObject { ["type"] = "integer", ["minimum"] = low, ["maximum"] = high }, dice => dice.Next(4) switch
        {
            0 => low,
            1 => high,
            _ => dice.NextInt64(low, high == long.MaxValue ? high : high + 1),
        });
    }

    private (JsonObject, Func<Random, JsonNode?>) Text()
    {
        var least = _dice.Next(3);
        var most = least + _dice.Next(20);
        return (new JsonObject { ["type"] = "string", ["minLength"] = least, ["maxLength"] = most }, dice => Letters(dice, "ab \"\\/\n\té€😀中\u0001", least, most));
    }

    private (JsonObject, Func<Random, JsonNode?>) Pattern()
    {
        var (pattern, text) = Patterns[_dice.Next(Patterns.Length)];
        return (new JsonObject { ["type"] = "string", ["pattern"] = pattern }, dice => text(dice));
    }

    private (JsonObject, Func<Random, JsonNode?>) Enum()
    {
        JsonNode?[] values = [.. new JsonNode?[] { "red", "re", "gr\"een", 7, -1.5, true, null, new JsonArray(1, "x"), new JsonObject { ["k"] = "v" } }.OrderBy(_ => _dice.Next()).Take(_dice.Next(1, 5))];
        var list = new JsonArray([.. values.Select(static value => value?.DeepClone())]);
        return (new JsonObject { ["enum"] = list }, dice => values[dice.Next(values.Length)]?.DeepClone());
    }

    private (JsonObject, Func<Random, JsonNode?>) Union(int depth)
    {
        var parts = Enumerable.Range(0, _dice.Next(1, 4)).Select(_ => Schema(depth + 1)).ToArray();
        return (new JsonObject { ["anyOf"] = new JsonArray([.. parts.Select(static part => part.Schema)]) }, dice => parts[dice.Next(parts.Length)].Value(dice));
    }

    private (JsonObject, Func<Random, JsonNode?>) Array(int depth)
    {
        var prefix = Enumerable.Range(0, _dice.Next(3)).Select(_ => Schema(depth + 1)).ToArray();
        var (items, least) = (Schema(depth + 1), _dice.Next(3));
        var most = least + _dice.Next(4);
        var schema = new JsonObject { ["type"] = "array", ["minItems"] = least, ["maxItems"] = most, ["items"] = items.Schema };
        if (prefix.Length > 0)
            schema["prefixItems"] = new JsonArray([.. prefix.Select(static part => part.Schema)]);
        return (schema, dice =>
        {
            var count = dice.Next(least, most + 1);
            return new JsonArray([.. Enumerable.Range(0, count).Select(i => (i < prefix.Length ? prefix[i] : items).Value(dice))]);
        }
        );
    }

    private (JsonObject, Func<Random, JsonNode?>) Object(int depth)
    {
        var names = new[] { "a", "ab", "b\"", "naïve", "x y", "z" }.OrderBy(_ => _dice.Next()).Take(_dice.Next(5)).ToArray();
        var properties = names.Select(name => (Name: name, Part: Schema(depth + 1), IsRequired: _dice.Next(2) == 0)).ToArray();
        var schema = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject([.. properties.Select(static property => new KeyValuePair<string, JsonNode?>(property.Name, property.Part.Schema))]) };
        schema["required"] = new JsonArray([.. properties.Where(static property => property.IsRequired).Select(static property => (JsonNode)property.Name)]);
        var others = _dice.Next(3) == 0 ? Schema(depth + 1) : default;
        schema["additionalProperties"] = others.Schema is { } other ? other : false;
        return (schema, dice =>
        {
            var value = new JsonObject();
            foreach (var (name, part, isRequired) in properties)
            {
                if (isRequired || dice.Next(2) == 0)
                    value[name] = part.Value(dice);
            }

            if (others.Value is not null && dice.Next(2) == 0)
                value["abc"] = others.Value(dice);
            return value;
        }
        );
    }

    private static string Letters(Random dice, string letters, int least, int most)
    {
        System.Text.Rune[] runes = [.. letters.EnumerateRunes()];
        return string.Concat(Enumerable.Range(0, dice.Next(least, most + 1)).Select(_ => runes[dice.Next(runes.Length)].ToString()));
    }
}
