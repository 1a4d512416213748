using Kvasir.Server.Errors;
using Kvasir.Server.OpenAi;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary>Which dialect's clients ask for a path, where no handler has been found for it.</summary>
internal sealed class DialectPaths
{
    private readonly Dictionary<string, ErrorShape> _shapes = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A route of a dialect is mapped.</summary>
    public void Add(string path, ErrorShape errors) => _shapes.TryAdd(path, errors);

    /// <summary>How errors are said there: as OpenAI's clients read them where the path is nobody's.</summary>
    public ErrorShape ShapeOf(PathString path) => _shapes.GetValueOrDefault((path.Value ?? "").TrimEnd('/'), OpenAiErrors.Shape);
}
