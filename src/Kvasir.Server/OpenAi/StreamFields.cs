using Kvasir.Server.Reading;

namespace Kvasir.Server.OpenAi;

/// <summary>What a client wants of a stream.</summary>
internal static class StreamFields
{
    public static bool IncludesUsage(RequestFields body)
    {
        if (body.Find("stream_options")?.Object() is not { } options)
            return false;
        var includes = options.Find("include_usage")?.Flag() ?? false;
        options.IgnoreRest();
        return includes;
    }
}
