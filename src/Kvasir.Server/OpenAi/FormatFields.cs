using Kvasir.Calls;
using Kvasir.Server.Answers;
using Kvasir.Server.Reading;

namespace Kvasir.Server.OpenAi;

/// <summary><c>response_format</c> of a chat.</summary>
internal static class FormatFields
{
    /// <param name="isStrict">Whether keywords of every schema that are not supported are refused.</param>
    /// <returns>Null for any text.</returns>
    public static AnswerSchema? Read(RequestFields body, bool isStrict) =>
        body.Find("response_format") is { } given ? Read(given, isStrict, static format => format.Require("json_schema").Object()) : null;

    /// <summary><c>text.format</c> of a response, in which the schema stands beside its type.</summary>
    public static AnswerSchema? ReadFlat(RequestValue given, bool isStrict) => Read(given, isStrict, static format => format);

    private static AnswerSchema? Read(RequestValue given, bool isStrict, Func<RequestFields, RequestFields> named)
    {
        var format = given.Object();
        var type = format.Require("type");
        var schema = type.Text() switch
        {
            "text" => null,
            "json_object" => new AnswerSchema(AnswerDemand.AnyObject.Schema!, false, $"{given.Path}"),
            "json_schema" => Schema(named(format), isStrict),
            var other => throw type.Unsupported($"{type.Path} is '{RequestValue.Short(other)}'; text, json_object and json_schema are supported"),
        };
        if (type.Text() != "json_schema")
            format.IgnoreRest();
        return schema;
    }

    private static AnswerSchema Schema(RequestFields format, bool isStrict)
    {
        // What they are called and what they are for is the client's own.
        format.Find("name");
        format.Find("description");
        isStrict |= format.Find("strict")?.Flag() ?? false;
        var schema = format.Require("schema");
        var read = new AnswerSchema(schema.Node().ToJsonString(), isStrict, $"{schema.Path}");
        format.IgnoreRest();
        return read;
    }
}
