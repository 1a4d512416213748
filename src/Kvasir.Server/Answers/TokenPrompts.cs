using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Answers;

/// <summary>Tokens to go on with, as they are.</summary>
internal sealed class TokenPrompts(IReadOnlyList<int[]> tokens) : PromptSource
{
    /// <summary>Tokens of a request, all of the model's vocabulary.</summary>
    public static int[] Read(IReadOnlyList<RequestValue> items, ServedModel model)
    {
        var most = model.Model.Config.VocabularySize - 1;
        return [.. items.Select(item => (int)item.Whole(0, most))];
    }

    public override long TextBytes => 0;

    public override IReadOnlyList<int[]> Encode(ServedModel model) => tokens;
}
