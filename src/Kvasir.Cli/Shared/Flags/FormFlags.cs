using Kvasir.Calls;
using Kvasir.Cli.Terminal;
using Kvasir.Files;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>What form an answer has to have.</summary>
internal static class FormFlags
{
    public static readonly ValueFlag<string> JsonSchema = new("--json-schema", "The answer is JSON that fits the schema in this file", FlagValues.Path)
    {
        Elsewhere = ["-jf", "--json-schema-file"],
    };

    public static readonly SwitchFlag JsonObject = new("--json-object", "The answer is a JSON object") { Elsewhere = ["--format-json"] };

    public static readonly FlagGroup Group = new("Form", JsonSchema, JsonObject);

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Has(JsonSchema) && typed.Is(JsonObject))
            return "--json-schema and --json-object were given; one of them is allowed";
        return (typed.Has(JsonSchema) || typed.Is(JsonObject)) && typed.Is(GenerationFlags.IgnoreEnd)
            ? "--ignore-end goes on past an end that --json-schema and --json-object set"
            : null;
    }

    /// <summary>Null where any text will do.</summary>
    /// <exception cref="KvasirException">The file cannot be read, or the schema is damaged, or asks for what is not supported.</exception>
    public static JsonConstraint? Read(TypedCommand typed, Model model)
    {
        if (typed.Is(JsonObject))
            return model.Constraints.AnyObject();
        if (typed.Find(JsonSchema) is not { } file)
            return null;
        try
        {
            return model.Constraints.Schema(PlainText.ReadFile(file, JsonConstraints.MostSchemaBytes));
        }
        catch (KvasirException refusal) when (refusal.Error is KvasirError.BadOption or KvasirError.Unsupported)
        {
            throw new KvasirException(refusal.Error, $"{file}: {refusal.Message}", refusal);
        }
    }

    /// <summary>A line for people about what the schema says and the answer may break; null for nothing.</summary>
    public static string? Note(JsonConstraint? constraint) => constraint?.IgnoredKeywords switch
    {
        null or [] => null,
        [var one] => $"note: the schema's keyword {Printable.Line(one)} is not supported, and the answer may break it",
        var some => $"note: the schema's keywords {Printable.Line(string.Join(", ", some.Take(10)))}"
            + $"{(some.Count > 10 ? $" and {some.Count - 10} more" : "")} are not supported, and the answer may break them",
    };
}
